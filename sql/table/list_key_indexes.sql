-- Purpose: the indexes by which a window's rows may be found: those that start with the primary key,
--          of the table and of its partitions.
-- Parameters: oid, pk (the key's name).
-- Columns: name.
SELECT relation.relname AS name
FROM (
    SELECT %(oid)s::oid AS oid

    UNION

    SELECT relid FROM pg_catalog.pg_partition_tree(%(oid)s::oid::regclass)
) AS part
INNER JOIN pg_catalog.pg_index AS key ON key.indrelid = part.oid AND key.indisvalid
INNER JOIN pg_catalog.pg_class AS relation ON relation.oid = key.indexrelid
INNER JOIN pg_catalog.pg_attribute AS column_
    ON column_.attrelid = part.oid
    AND column_.attnum = key.indkey[0]
    AND column_.attname = %(pk)s;
