-- Purpose: the columns of the database that could hold a copy of a token: uuid, text of every kind,
--          JSON, hstore, XML and arrays of these, domains over them too; of ordinary tables, of
--          partitioned ones by their root, of materialized views and foreign tables. If a partition is
--          a foreign table, each partition is listed by itself, because the root can't be read without
--          it. PostgreSQL's own schemas, temporary tables and the rotation's state are left out. So are
--          types that a user can create without being superuser, except domains: casting one to text
--          could run the user's code with this role's rights. PostgreSQL ignores casts of a domain.
-- Parameters: oid, attnum (of the token's column); state_schema, state_tables (their names).
-- Columns: oid, schema, table, plain (neither partitioned nor a view: its inheritance children are
--          listed by themselves), column, sort (uuid, text, padded for char, or document for what
--          contains texts), is_token, refers (by a foreign key to the token), indexed (a valid btree or
--          hash index of all rows begins with it), rows, pages (both of the last ANALYZE or VACUUM,
--          rows NULL if there was none), obstacle (why this role can't read it: foreign, schema,
--          privilege, or rows for row-level security; NULL if it can).
WITH RECURSIVE based AS (
    SELECT type.oid, type.oid AS base FROM pg_catalog.pg_type AS type WHERE type.typtype = 'b'

    UNION ALL

    SELECT domain.oid, based.base
    FROM based
    INNER JOIN pg_catalog.pg_type AS domain ON domain.typbasetype = based.oid AND domain.typtype = 'd'
),

sorted AS MATERIALIZED (
    SELECT
        based.oid,
        CASE
            WHEN type.oid = 'pg_catalog.uuid'::regtype THEN 'uuid'
            WHEN type.oid = 'pg_catalog.bpchar'::regtype THEN 'padded'
            WHEN type.oid IN ('pg_catalog.text'::regtype, 'pg_catalog.varchar'::regtype) THEN 'text'
            WHEN type.oid IN (
                'pg_catalog.json'::regtype, 'pg_catalog.jsonb'::regtype, 'pg_catalog.xml'::regtype,
                'pg_catalog.uuid[]'::regtype, 'pg_catalog.text[]'::regtype,
                'pg_catalog.varchar[]'::regtype, 'pg_catalog.bpchar[]'::regtype,
                'pg_catalog.json[]'::regtype, 'pg_catalog.jsonb[]'::regtype
            )
            OR type.oid IN ('pg_catalog.name'::regtype, 'pg_catalog.tsvector'::regtype)
            OR type.typname IN ('hstore', 'citext')
            -- An array is a base type whoever made it: its element type must be one.
            OR EXISTS (
                SELECT FROM pg_catalog.pg_type AS element
                WHERE element.typarray = type.oid
                    AND element.typtype = 'b'
                    AND element.typname IN ('hstore', 'citext')
            )
                THEN 'document'
        END AS sort
    FROM based
    INNER JOIN pg_catalog.pg_type AS type ON type.oid = based.base
),

parted AS MATERIALIZED (
    SELECT
        pg_catalog.pg_partition_root(part.oid)::oid AS root,
        pg_catalog.bool_or(part.relkind = 'f') AS partly_foreign,
        CASE WHEN pg_catalog.min(part.reltuples) >= 0 THEN pg_catalog.sum(part.reltuples) END AS rows,
        pg_catalog.sum(part.relpages) AS pages
    FROM pg_catalog.pg_class AS part
    WHERE part.relispartition AND part.relkind IN ('r', 'f')
    GROUP BY pg_catalog.pg_partition_root(part.oid)
),

candidate AS MATERIALIZED (
    SELECT
        relation.oid,
        relation.relname,
        relation.relkind,
        relation.reltuples,
        relation.relpages,
        namespace.nspname,
        namespace.oid AS namespace,
        coalesce(
            CASE WHEN relation.relispartition THEN pg_catalog.pg_partition_root(relation.oid)::oid END,
            relation.oid
        ) AS root
    FROM pg_catalog.pg_class AS relation
    INNER JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = relation.relnamespace
    WHERE relation.relkind IN ('r', 'p', 'm', 'f')
        AND relation.relpersistence <> 't'
        AND relation.relispopulated
        AND namespace.nspname <> 'information_schema'
        AND namespace.nspname !~ '^pg_'
        AND NOT (
            namespace.nspname = %(state_schema)s
            AND relation.relname::text = ANY (%(state_tables)s::text[])
        )
)

SELECT
    candidate.oid::bigint,
    candidate.nspname AS schema,
    candidate.relname AS table,
    candidate.relkind = 'r' AS plain,
    column_.attname AS column,
    sorted.sort,
    candidate.root = %(oid)s::oid AND column_.attname = asked.attname AS is_token,
    EXISTS (
        SELECT FROM pg_catalog.pg_constraint AS reference
        CROSS JOIN LATERAL ROWS FROM (
            pg_catalog.unnest(reference.conkey), pg_catalog.unnest(reference.confkey)
        ) AS pair (own, other)
        WHERE reference.contype = 'f'
            AND reference.conrelid = candidate.oid
            AND reference.confrelid = %(oid)s::oid
            AND pair.own = column_.attnum
            AND pair.other = %(attnum)s
    ) AS refers,
    EXISTS (
        SELECT FROM pg_catalog.pg_index AS index_
        INNER JOIN pg_catalog.pg_class AS itself ON itself.oid = index_.indexrelid
        INNER JOIN pg_catalog.pg_am AS method ON method.oid = itself.relam
        WHERE method.amname IN ('btree', 'hash')
            AND index_.indrelid = candidate.oid
            AND index_.indkey[0] = column_.attnum
            AND index_.indisvalid
            AND index_.indpred IS NULL
    ) AS indexed,
    CASE
        WHEN candidate.relkind = 'p' THEN parted.rows
        WHEN candidate.reltuples >= 0 THEN candidate.reltuples
    END::bigint AS rows,
    CASE WHEN candidate.relkind = 'p' THEN coalesce(parted.pages, 0) ELSE candidate.relpages END::bigint
        AS pages,
    CASE
        WHEN candidate.relkind = 'f' THEN 'foreign'
        WHEN NOT pg_catalog.has_schema_privilege(candidate.namespace, 'USAGE') THEN 'schema'
        WHEN NOT pg_catalog.has_column_privilege(candidate.oid, column_.attnum, 'SELECT')
            THEN 'privilege'
        WHEN candidate.relkind IN ('r', 'p') AND pg_catalog.row_security_active(candidate.oid)
            THEN 'rows'
    END AS obstacle
FROM candidate
INNER JOIN pg_catalog.pg_attribute AS column_
    ON column_.attrelid = candidate.oid AND column_.attnum > 0 AND NOT column_.attisdropped
INNER JOIN sorted ON sorted.oid = column_.atttypid AND sorted.sort IS NOT NULL
INNER JOIN pg_catalog.pg_attribute AS asked
    ON asked.attrelid = %(oid)s::oid AND asked.attnum = %(attnum)s
LEFT JOIN parted ON parted.root = candidate.root
WHERE
    CASE
        WHEN parted.partly_foreign THEN candidate.relkind <> 'p'
        ELSE candidate.root = candidate.oid
    END
ORDER BY candidate.nspname, candidate.relname, column_.attnum;
