-- Purpose: how many of a table's parts were emptied or rewritten (TRUNCATE, ALTER TABLE) since the view
--          of this transaction was taken: in such a view they seem empty. What was read is locked until
--          its end, so none is afterwards.
-- Parameters: oid.
-- Columns: rewritten.
SELECT pg_catalog.count(*) AS rewritten
FROM pg_catalog.pg_class AS part
WHERE part.relkind = 'r'
    AND part.oid IN (
        SELECT %(oid)s::oid

        UNION ALL

        SELECT relid FROM pg_catalog.pg_partition_tree(%(oid)s::oid::regclass)
    )
    AND part.relfilenode IS DISTINCT FROM pg_catalog.pg_relation_filenode(part.oid);
