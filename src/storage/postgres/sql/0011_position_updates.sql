-- Every change of a balance changes its position's row. With room for the new version on the same page no index has to
-- learn of it, which makes the change less than half as costly.
alter table tidemark.position set (fillfactor = 50);
