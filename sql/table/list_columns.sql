-- Purpose: the columns of a table, with what matters for a key or a token.
-- Parameters: oid (of the table).
-- Columns: name, attnum, type (regtype, for people),
--          base_type (under any domain), room (characters that a char or varchar holds, else NULL),
--          collation (empty if the type has none), generated, computed_from (the columns, by name, that
--          it is generated from), in_key (part of the primary key),
--          walkable (NOT NULL, with a valid unique index of its own),
--          may_select, may_update.
WITH RECURSIVE base AS (
    SELECT column_.attnum, column_.atttypid AS type, column_.atttypmod AS modifier
    FROM pg_catalog.pg_attribute AS column_
    WHERE column_.attrelid = %(oid)s

    UNION ALL

    SELECT base.attnum, domain.typbasetype, domain.typtypmod
    FROM base
    INNER JOIN pg_catalog.pg_type AS domain ON domain.oid = base.type AND domain.typtype = 'd'
)

SELECT
    column_.attname AS name,
    column_.attnum,
    column_.atttypid::regtype::text AS type,
    base.type::regtype::text AS base_type,
    CASE
        WHEN base.modifier > 0
            AND base.type IN ('pg_catalog.bpchar'::regtype, 'pg_catalog.varchar'::regtype)
            THEN base.modifier - 4
    END AS room,
    CASE WHEN column_.attcollation = 0 THEN '' ELSE column_.attcollation::regcollation::text END
        AS collation,
    column_.attgenerated <> '' AS generated,
    ARRAY(
        SELECT source.attname::text
        FROM pg_catalog.pg_attrdef AS made
        INNER JOIN pg_catalog.pg_depend AS used
            ON used.classid = 'pg_catalog.pg_attrdef'::regclass
            AND used.objid = made.oid
            AND used.refclassid = 'pg_catalog.pg_class'::regclass
            AND used.refobjid = made.adrelid
        INNER JOIN pg_catalog.pg_attribute AS source
            ON source.attrelid = made.adrelid AND source.attnum = used.refobjsubid
        WHERE column_.attgenerated <> ''
            AND made.adrelid = column_.attrelid
            AND made.adnum = column_.attnum
            AND source.attnum <> column_.attnum
    ) AS computed_from,
    EXISTS (
        SELECT FROM pg_catalog.pg_index AS key
        WHERE key.indrelid = %(oid)s
            AND key.indisprimary
            AND column_.attnum = ANY ((key.indkey::int2[])[0:key.indnkeyatts - 1])
    ) AS in_key,
    column_.attnotnull AND NOT EXISTS (
        -- NOT NULL, but not yet of all rows (since PostgreSQL 18).
        SELECT FROM pg_catalog.pg_constraint AS filled
        WHERE filled.conrelid = %(oid)s
            AND filled.contype = 'n'
            AND filled.conkey = ARRAY[column_.attnum]
            AND NOT filled.convalidated
    ) AND EXISTS (
        SELECT FROM pg_catalog.pg_index AS key
        WHERE key.indrelid = %(oid)s
            AND key.indisunique
            AND key.indisvalid
            AND key.indimmediate
            AND key.indpred IS NULL
            AND key.indnkeyatts = 1
            AND key.indkey[0] = column_.attnum
    ) AS walkable,
    pg_catalog.has_column_privilege(%(oid)s::oid, column_.attnum, 'SELECT') AS may_select,
    pg_catalog.has_column_privilege(%(oid)s::oid, column_.attnum, 'UPDATE') AS may_update
FROM pg_catalog.pg_attribute AS column_
INNER JOIN base
    ON base.attnum = column_.attnum
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_type AS domain
        WHERE domain.oid = base.type AND domain.typtype = 'd'
    )
WHERE column_.attrelid = %(oid)s
    AND column_.attnum > 0
    AND NOT column_.attisdropped
ORDER BY column_.attnum;
