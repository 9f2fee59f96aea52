-- Purpose: the tables that hold a table's rows: itself, its partitions, its inheritance children. Locks
--          partitions, so that none is detached before this transaction ends.
-- Parameters: oid, attnum (of the column).
-- Columns: oid, name (schema.table, for people), attnum (of the column there).
WITH RECURSIVE member AS (
    SELECT %(oid)s::oid AS oid

    UNION

    SELECT child.inhrelid
    FROM member
    -- Not of a partitioned table: it still lists a partition that is being detached.
    INNER JOIN pg_catalog.pg_class AS parent ON parent.oid = member.oid AND parent.relkind = 'r'
    INNER JOIN pg_catalog.pg_inherits AS child ON child.inhparent = parent.oid
)

SELECT
    part.oid::bigint AS oid,
    namespace.nspname || '.' || part.relname AS name,
    column_.attnum
FROM (
    SELECT member.oid FROM member

    UNION

    SELECT relid FROM pg_catalog.pg_partition_tree(%(oid)s::oid::regclass)
) AS held
-- Nor another session's temporary tables, which nobody else can read.
INNER JOIN pg_catalog.pg_class AS part
    ON part.oid = held.oid
    AND part.relkind <> 'p'
    AND part.relpersistence <> 't'
INNER JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = part.relnamespace
INNER JOIN pg_catalog.pg_attribute AS original
    ON original.attrelid = %(oid)s::oid AND original.attnum = %(attnum)s
INNER JOIN pg_catalog.pg_attribute AS column_
    ON column_.attrelid = part.oid AND column_.attname = original.attname
ORDER BY part.oid;
