-- Purpose: those of the given tables that still exist, each with its column that once held another
--          table's tokens, whatever its name is now.
-- Parameters: oids, attnums (of the columns, in the same order); target (the table's oid).
-- Columns: oid, attnum, schema, name, column (NULL if it was dropped), comparable (its type is
--          PostgreSQL's own: others may bring code along), stranger (its owner, if that is neither the
--          target's nor one who has this role's rights anyway: reading it would run the owner's code).
SELECT
    part.oid::bigint AS oid,
    column_.attnum,
    namespace.nspname AS schema,
    part.relname AS name,
    column_.attname AS column,
    coalesce(
        'pg_catalog'::regnamespace IN (type.typnamespace, base.typnamespace), false
    ) AS comparable,
    CASE
        WHEN NOT owner.rolsuper
            AND NOT pg_catalog.pg_has_role(owner.rolname, current_user, 'MEMBER')
            AND NOT EXISTS (
                SELECT FROM pg_catalog.pg_class AS target
                WHERE target.oid::bigint = %(target)s AND target.relowner = owner.oid
            )
            THEN owner.rolname::text
    END AS stranger
FROM ROWS FROM (
    pg_catalog.unnest(%(oids)s::bigint[]), pg_catalog.unnest(%(attnums)s::int2[])
) AS known (oid, attnum)
INNER JOIN pg_catalog.pg_class AS part ON part.oid::bigint = known.oid AND part.relkind = 'r'
INNER JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = part.relnamespace
INNER JOIN pg_catalog.pg_roles AS owner ON owner.oid = part.relowner
LEFT JOIN pg_catalog.pg_attribute AS column_
    ON column_.attrelid = part.oid AND column_.attnum = known.attnum AND NOT column_.attisdropped
LEFT JOIN pg_catalog.pg_type AS type ON type.oid = column_.atttypid
LEFT JOIN pg_catalog.pg_type AS base ON base.oid = type.typbasetype AND base.typtype = 'b'
ORDER BY 3, 4;
