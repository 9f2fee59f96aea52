-- Purpose: let amcheck check that the entries of a b-tree index are in order, and that it has one
--          for every row of its table; an error (SQLSTATE class XX) if not. Its locks are a reader's.
-- Parameters: index (oid).
SELECT {bt_index_check}(%(index)s::oid::pg_catalog.regclass, true);
