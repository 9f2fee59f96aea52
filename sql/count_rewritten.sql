-- Purpose: how many tables were emptied or rewritten (TRUNCATE, ALTER TABLE) since the view of this
--          transaction was taken: in such a view they seem empty. What was read is locked until its end,
--          so none is afterwards.
-- Parameters: read (oids of tables).
-- Columns: rewritten.
SELECT pg_catalog.count(*) AS rewritten
FROM pg_catalog.pg_class AS part
WHERE part.relkind = 'r'
    AND part.oid = ANY (%(read)s::bigint[]::oid[])
    AND part.relfilenode IS DISTINCT FROM pg_catalog.pg_relation_filenode(part.oid);
