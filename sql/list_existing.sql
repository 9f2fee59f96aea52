-- Purpose: which of some tables are there still, wherever.
-- Parameters: known (their oids).
-- Columns: oid.
SELECT relation.oid::bigint AS oid
FROM pg_catalog.pg_class AS relation
WHERE relation.oid = ANY (%(known)s::bigint[]::oid[]);
