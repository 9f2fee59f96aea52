-- Purpose: the collations that order the primary key, in the table, its partitions, the indexes and the
--          bounds of partitions, and whose rules have changed since: the version recorded when they
--          were made, or last refreshed, is not the one that the server has now. "C" has no version.
-- Parameters: oid (of the table), pk (the key's name); database_version (the expression of what the
--          database's default collation has now; NULL before PostgreSQL 15).
-- Columns: table (with its schema, quoted), name (of the collation, with its schema, quoted; NULL for
--          the database's default), database (quoted), recorded, actual (versions; NULL: it no longer
--          has one), cuts (partitions are ranges by it).
WITH part AS (
    SELECT %(oid)s::oid AS oid

    UNION

    SELECT relid FROM pg_catalog.pg_partition_tree(%(oid)s::oid::regclass)
),

used AS (
    SELECT column_.attcollation AS oid, false AS cuts
    FROM part
    INNER JOIN pg_catalog.pg_attribute AS column_
        ON column_.attrelid = part.oid AND column_.attname = %(pk)s

    UNION ALL

    SELECT key.indcollation[0], false
    FROM part
    INNER JOIN pg_catalog.pg_index AS key
        ON key.indrelid = part.oid AND key.indisunique AND key.indnkeyatts = 1
    INNER JOIN pg_catalog.pg_attribute AS column_
        ON column_.attrelid = part.oid
        AND column_.attnum = key.indkey[0]
        AND column_.attname = %(pk)s

    UNION ALL

    SELECT bound.oid, partitioned.partstrat = 'r'
    FROM part
    INNER JOIN pg_catalog.pg_partitioned_table AS partitioned ON partitioned.partrelid = part.oid
    CROSS JOIN LATERAL pg_catalog.unnest(partitioned.partcollation::oid[]) AS bound (oid)
)

SELECT
    (
        SELECT
            pg_catalog.quote_ident(namespace.nspname) || '.'
            || pg_catalog.quote_ident(relation.relname)
        FROM pg_catalog.pg_class AS relation
        INNER JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = relation.relnamespace
        WHERE relation.oid = %(oid)s::oid
    ) AS table,
    CASE
        WHEN collation_.collprovider <> 'd'
            THEN pg_catalog.quote_ident(namespace.nspname) || '.'
                || pg_catalog.quote_ident(collation_.collname)
    END AS name,
    pg_catalog.quote_ident(database.datname) AS database,
    version.recorded,
    version.actual,
    pg_catalog.bool_or(used.cuts) AS cuts
FROM used
INNER JOIN pg_catalog.pg_collation AS collation_ ON collation_.oid = used.oid
INNER JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = collation_.collnamespace
INNER JOIN pg_catalog.pg_database AS database
    ON database.datname = pg_catalog.current_database()
CROSS JOIN LATERAL (
    SELECT
        CASE
            -- As JSON, because the column does not exist before PostgreSQL 15.
            WHEN collation_.collprovider = 'd'
                THEN pg_catalog.to_jsonb(database) ->> 'datcollversion'
            ELSE collation_.collversion
        END AS recorded,
        CASE
            WHEN collation_.collprovider = 'd' THEN {database_version}
            ELSE pg_catalog.pg_collation_actual_version(collation_.oid)
        END AS actual
) AS version
WHERE version.recorded IS NOT NULL
    AND version.recorded IS DISTINCT FROM version.actual
GROUP BY 1, 2, 3, 4, 5
ORDER BY 2;
