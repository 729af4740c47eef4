import de.bwaldvogel.mongo.MongoBackend;
import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import java.net.InetSocketAddress;
import java.util.List;

/**
 * A MongoDB-compatible server for the tests. Arguments: port (0: a free one), and a file to keep the data in (without
 * one they are kept in memory). Prints the port once it listens, and ends when its standard input does.
 */
public final class MongoServerForTests {

  /** The official driver talks to servers from wire version 9 on; 17 is what MongoDB 6.0 reports. */
  private static final MongoVersion VERSION =
      new MongoVersion() {
        @Override
        public List<Integer> getVersionArray() {
          return List.of(6, 0, 0);
        }

        @Override
        public int getWireVersion() {
          return 17;
        }
      };

  public static void main(String[] arguments) throws Exception {
    int port = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 0;
    MongoBackend backend = arguments.length > 1 ? new H2Backend(arguments[1]) : new MemoryBackend();
    MongoServer server = new MongoServer(backend.version(VERSION));
    server.bind(new InetSocketAddress("127.0.0.1", port));
    System.out.println(server.getLocalAddress().getPort());
    while (System.in.read() != -1) {
      // Whoever started this server holds the other end.
    }
    server.shutdownNow();
    System.exit(0);
  }
}
