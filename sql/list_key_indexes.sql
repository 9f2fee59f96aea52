-- Purpose: the indexes by which a window's rows may be found: those that begin with the primary key.
-- Parameters: oid, attnum (of the key).
-- Columns: name.
SELECT relation.relname AS name
FROM pg_catalog.pg_index AS key
INNER JOIN pg_catalog.pg_class AS relation ON relation.oid = key.indexrelid
WHERE key.indisvalid
    AND pg_catalog.pg_get_indexdef(key.indexrelid, 1, true) = pg_catalog.quote_ident((
        SELECT attname FROM pg_catalog.pg_attribute
        WHERE attrelid = %(oid)s AND attnum = %(attnum)s
    ))
    AND key.indrelid IN (
        SELECT %(oid)s::oid
        UNION ALL
        SELECT relid FROM pg_catalog.pg_partition_tree(%(oid)s::oid::regclass)
    );
