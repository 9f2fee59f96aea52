-- Purpose: what the catalog says about the indexes by which a window's rows may be found: that of the
--          column by which windows walk, the primary key or another unique one, of the table and of
--          every partition, and all others that start with it and that the planner considers complete.
--          No query uses an INVALID one.
-- Parameters: oid (of the table), pk (the column's name).
-- Columns: table (or partition; with its schema, quoted), key (the column, quoted), oid, name (of the
--          index, with its schema, quoted; both NULL if a table has none), is_key (unique), partitioned
--          (the index has no entries of its own), btree, valid, ready, live (pg_index's flags).
SELECT
    pg_catalog.quote_ident(namespace.nspname) || '.' || pg_catalog.quote_ident(relation.relname)
        AS table,
    pg_catalog.quote_ident(%(pk)s) AS key,
    index_.oid,
    index_.name,
    coalesce(index_.is_key, false) AS is_key,
    index_.partitioned,
    index_.btree,
    index_.valid,
    index_.ready,
    index_.live
FROM (
    SELECT %(oid)s::oid AS oid

    UNION

    SELECT relid FROM pg_catalog.pg_partition_tree(%(oid)s::oid::regclass)
) AS part
INNER JOIN pg_catalog.pg_class AS relation ON relation.oid = part.oid
INNER JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = relation.relnamespace
LEFT JOIN LATERAL (
    SELECT
        itself.oid,
        pg_catalog.quote_ident(its_namespace.nspname) || '.' || pg_catalog.quote_ident(itself.relname)
            AS name,
        key.indisunique AND key.indnkeyatts = 1 AND key.indpred IS NULL AS is_key,
        itself.relkind = 'I' AS partitioned,
        method.amname = 'btree' AS btree,
        key.indisvalid AS valid,
        key.indisready AS ready,
        key.indislive AS live
    FROM pg_catalog.pg_index AS key
    INNER JOIN pg_catalog.pg_class AS itself ON itself.oid = key.indexrelid
    INNER JOIN pg_catalog.pg_namespace AS its_namespace ON its_namespace.oid = itself.relnamespace
    INNER JOIN pg_catalog.pg_am AS method ON method.oid = itself.relam
    INNER JOIN pg_catalog.pg_attribute AS column_
        ON column_.attrelid = key.indrelid
        AND column_.attnum = key.indkey[0]
        AND column_.attname = %(pk)s
    WHERE key.indrelid = relation.oid
        AND (key.indisprimary OR (key.indisvalid AND key.indislive))
) AS index_ ON true
ORDER BY relation.oid, is_key DESC, index_.oid;
