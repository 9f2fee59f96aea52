-- Purpose: what of others runs with the rights of this role when it reads or writes the given tables:
--          the tables themselves, their partitions, their inheritance children, and those to which
--          foreign keys carry a change on, because their owners, and those of their schemas, may put
--          what they like there; and what their triggers, constraints, indexes, statistics, defaults and
--          policies call, which its owner may replace. What that calls in turn, PostgreSQL does not
--          know.
-- Parameters: oids (of the tables); state_schema (of the rotation's state); lent (a table by oid, to
--             whose owner and whose schema's owner the rights are lent anyway; NULL for none).
-- Columns: oid (one of the tables), what (for people), owner. Superusers, this role and its members are
--          no others: they have its rights anyway. Nor is the owner of the state.
WITH RECURSIVE part AS (
    SELECT given.oid::oid AS root, given.oid::oid AS oid
    FROM pg_catalog.unnest(%(oids)s::bigint[]) AS given (oid)

    UNION

    SELECT part.root, below.oid
    FROM part
    CROSS JOIN LATERAL (
        SELECT child.inhrelid AS oid
        FROM pg_catalog.pg_inherits AS child
        WHERE child.inhparent = part.oid

        UNION ALL

        -- Before PostgreSQL 18, the triggers there run as who changed the key.
        SELECT carrying.conrelid
        FROM pg_catalog.pg_constraint AS carrying
        WHERE carrying.confrelid = part.oid
            AND carrying.contype = 'f'
            AND carrying.confupdtype IN ('c', 'n', 'd')
    ) AS below
),

type AS (
    SELECT part.root, column_.atttypid AS oid
    FROM part
    INNER JOIN pg_catalog.pg_attribute AS column_ ON column_.attrelid = part.oid AND column_.attnum > 0

    UNION

    -- Of a domain and of an array, what is under it.
    SELECT type.root, greatest(over.typbasetype, over.typelem)
    FROM type
    INNER JOIN pg_catalog.pg_type AS over ON over.oid = type.oid
    WHERE over.typbasetype <> 0::oid OR over.typelem <> 0::oid
),

caller AS (
    SELECT part.root, 'pg_catalog.pg_class'::regclass::oid AS catalog, part.oid FROM part

    UNION ALL

    SELECT part.root, 'pg_catalog.pg_class'::regclass::oid, index_.indexrelid
    FROM part
    INNER JOIN pg_catalog.pg_index AS index_ ON index_.indrelid = part.oid

    UNION ALL

    SELECT part.root, 'pg_catalog.pg_constraint'::regclass::oid, constraint_.oid
    FROM part
    INNER JOIN pg_catalog.pg_constraint AS constraint_ ON constraint_.conrelid = part.oid

    UNION ALL

    SELECT type.root, 'pg_catalog.pg_constraint'::regclass::oid, constraint_.oid
    FROM type
    INNER JOIN pg_catalog.pg_constraint AS constraint_ ON constraint_.contypid = type.oid

    UNION ALL

    SELECT part.root, 'pg_catalog.pg_trigger'::regclass::oid, trigger_.oid
    FROM part
    INNER JOIN pg_catalog.pg_trigger AS trigger_
        ON trigger_.tgrelid = part.oid AND trigger_.tgenabled <> 'D'

    UNION ALL

    SELECT part.root, 'pg_catalog.pg_attrdef'::regclass::oid, default_.oid
    FROM part
    INNER JOIN pg_catalog.pg_attrdef AS default_ ON default_.adrelid = part.oid

    UNION ALL

    SELECT part.root, 'pg_catalog.pg_policy'::regclass::oid, policy.oid
    FROM part
    INNER JOIN pg_catalog.pg_policy AS policy ON policy.polrelid = part.oid

    UNION ALL

    SELECT part.root, 'pg_catalog.pg_statistic_ext'::regclass::oid, statistics_.oid
    FROM part
    INNER JOIN pg_catalog.pg_statistic_ext AS statistics_ ON statistics_.stxrelid = part.oid
),

called AS (
    SELECT DISTINCT caller.root, dependency.refclassid AS catalog, dependency.refobjid AS oid
    FROM caller
    INNER JOIN pg_catalog.pg_depend AS dependency
        ON dependency.classid = caller.catalog AND dependency.objid = caller.oid
),

owned AS (
    SELECT part.root, 'table ' || part.oid::regclass::text AS what, relation.relowner AS owner
    FROM part
    INNER JOIN pg_catalog.pg_class AS relation ON relation.oid = part.oid

    UNION ALL

    SELECT
        part.root,
        'schema ' || namespace.oid::regnamespace::text,
        -- Schema public belongs to the database's owner, through a role of that name.
        CASE
            WHEN pg_catalog.pg_get_userbyid(namespace.nspowner) = 'pg_database_owner'
                THEN (
                    SELECT database.datdba
                    FROM pg_catalog.pg_database AS database
                    WHERE database.datname = pg_catalog.current_database()
                )
            ELSE namespace.nspowner
        END
    FROM part
    INNER JOIN pg_catalog.pg_class AS relation ON relation.oid = part.oid
    INNER JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = relation.relnamespace

    UNION ALL

    SELECT type.root, 'type ' || type.oid::regtype::text, itself.typowner
    FROM type
    INNER JOIN pg_catalog.pg_type AS itself ON itself.oid = type.oid

    UNION ALL

    SELECT called.root, 'function ' || function.oid::regprocedure::text, function.proowner
    FROM called
    INNER JOIN pg_catalog.pg_proc AS function ON function.oid = called.oid
    WHERE called.catalog = 'pg_catalog.pg_proc'::regclass::oid

    UNION ALL

    SELECT called.root, 'function ' || function.oid::regprocedure::text, function.proowner
    FROM called
    INNER JOIN pg_catalog.pg_operator AS operator ON operator.oid = called.oid
    INNER JOIN pg_catalog.pg_proc AS function ON function.oid = operator.oprcode
    WHERE called.catalog = 'pg_catalog.pg_operator'::regclass::oid
)

SELECT DISTINCT owned.root::bigint AS oid, owned.what, owner.rolname::text AS owner
FROM owned
INNER JOIN pg_catalog.pg_roles AS owner ON owner.oid = owned.owner
WHERE NOT owner.rolsuper
    AND NOT pg_catalog.pg_has_role(owner.rolname, current_user, 'MEMBER')
    AND owner.oid NOT IN (
        SELECT rotation.relowner
        FROM pg_catalog.pg_class AS rotation
        INNER JOIN pg_catalog.pg_namespace AS state ON state.oid = rotation.relnamespace
        WHERE rotation.relname = 'rotation' AND state.nspname::text = %(state_schema)s
    )
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_class AS target
        INNER JOIN pg_catalog.pg_namespace AS home ON home.oid = target.relnamespace
        INNER JOIN pg_catalog.pg_database AS database
            ON database.datname = pg_catalog.current_database()
        WHERE target.oid = %(lent)s::oid
            AND owner.oid IN (
                target.relowner,
                home.nspowner,
                CASE
                    WHEN pg_catalog.pg_get_userbyid(home.nspowner) = 'pg_database_owner'
                        THEN database.datdba
                END
            )
    )
ORDER BY 1, owned.what;
