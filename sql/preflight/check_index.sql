-- Purpose: let amcheck look whether the entries of a b-tree index are in order, and whether it has one
--          for every row of its table; an error (SQLSTATE class XX) if not. Its locks are a reader's.
-- Parameters: index (oid).
SELECT {bt_index_check}(%(index)s::oid::pg_catalog.regclass, true);
