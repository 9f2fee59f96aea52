-- Purpose: every column of the application's tables that could hold a secret and is not generated, and
--          by what windows could walk its table. PostgreSQL's own schemas, temporary tables, partitions
--          (their root stands for them) and the rotation's state are left out.
-- Parameters: state_schema, state_tables (their names).
-- Columns: oid, schema, table, visible (without its schema), column, type (under any domain), rows (of
--          the last ANALYZE or VACUUM; NULL if there was none), key (the primary key, if it is a single
--          column), walks (columns that are unique and NOT NULL, with their types, as JSON; NULL if
--          none is), refers (a foreign key of it refers elsewhere), inherits (its table is a child of
--          inheritance, or has some), may_read.
WITH RECURSIVE based AS (
    SELECT type.oid, type.oid AS base FROM pg_catalog.pg_type AS type WHERE type.typtype = 'b'

    UNION ALL

    SELECT domain.oid, based.base
    FROM based
    INNER JOIN pg_catalog.pg_type AS domain ON domain.typbasetype = based.oid AND domain.typtype = 'd'
),

column_ AS MATERIALIZED (
    SELECT
        relation.oid,
        relation.relname,
        relation.relkind,
        relation.reltuples,
        namespace.nspname,
        namespace.oid AS namespace,
        attribute.attnum,
        attribute.attname,
        attribute.attgenerated AS generated,
        based.base::regtype::text AS type,
        EXISTS (
            SELECT FROM pg_catalog.pg_index AS key
            WHERE key.indrelid = relation.oid
                AND key.indisprimary
                AND key.indnkeyatts = 1
                AND key.indkey[0] = attribute.attnum
        ) AS is_key,
        attribute.attnotnull AND NOT EXISTS (
            -- NOT NULL, but not yet of all rows (since PostgreSQL 18).
            SELECT FROM pg_catalog.pg_constraint AS filled
            WHERE filled.conrelid = relation.oid
                AND filled.contype = 'n'
                AND filled.conkey = ARRAY[attribute.attnum]
                AND NOT filled.convalidated
        ) AND EXISTS (
            SELECT FROM pg_catalog.pg_index AS key
            WHERE key.indrelid = relation.oid
                AND key.indisunique
                AND key.indisvalid
                AND key.indimmediate
                AND key.indpred IS NULL
                AND key.indnkeyatts = 1
                AND key.indkey[0] = attribute.attnum
        ) AS walkable
    FROM pg_catalog.pg_class AS relation
    INNER JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = relation.relnamespace
    INNER JOIN pg_catalog.pg_attribute AS attribute
        ON attribute.attrelid = relation.oid AND attribute.attnum > 0 AND NOT attribute.attisdropped
    INNER JOIN based ON based.oid = attribute.atttypid
    WHERE relation.relkind IN ('r', 'p')
        AND NOT relation.relispartition
        AND relation.relpersistence <> 't'
        AND namespace.nspname <> 'information_schema'
        AND namespace.nspname !~ '^pg_'
        AND NOT (
            namespace.nspname = %(state_schema)s
            AND relation.relname::text = ANY (%(state_tables)s::text[])
        )
),

keyed AS (
    SELECT
        column_.oid,
        pg_catalog.max(column_.attname::text) FILTER (WHERE column_.is_key) AS key,
        pg_catalog.json_object_agg(column_.attname, column_.type) FILTER (WHERE column_.walkable)
            AS walks
    FROM column_
    GROUP BY column_.oid
)

SELECT
    column_.oid::bigint,
    column_.nspname AS schema,
    column_.relname AS table,
    pg_catalog.pg_table_is_visible(column_.oid) AS visible,
    column_.attname AS column,
    column_.type,
    CASE
        WHEN column_.relkind = 'r' AND column_.reltuples >= 0 THEN column_.reltuples::bigint
    END AS rows,
    keyed.key,
    keyed.walks,
    EXISTS (
        SELECT FROM pg_catalog.pg_constraint AS reference
        WHERE reference.contype = 'f'
            AND reference.conrelid = column_.oid
            AND column_.attnum = ANY (reference.conkey)
    ) AS refers,
    EXISTS (
        SELECT FROM pg_catalog.pg_inherits AS inheritance
        WHERE inheritance.inhrelid = column_.oid
            OR (inheritance.inhparent = column_.oid AND column_.relkind = 'r')
    ) AS inherits,
    pg_catalog.has_schema_privilege(column_.namespace, 'USAGE')
    AND pg_catalog.has_column_privilege(column_.oid, column_.attnum, 'SELECT')
    AND NOT pg_catalog.row_security_active(column_.oid) AS may_read
FROM column_
INNER JOIN keyed ON keyed.oid = column_.oid
WHERE column_.generated = ''
    AND column_.type IN ('uuid', 'text', 'character varying', 'character', 'bytea', 'json', 'jsonb')
ORDER BY column_.nspname, column_.relname, column_.attnum;
