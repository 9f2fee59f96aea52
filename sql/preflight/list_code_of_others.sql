-- Purpose: what of others runs with the rights of this role when it reads or writes the given tables:
--          tables, among them their partitions and inheritance children, whose owners may add triggers;
--          and what their triggers, constraints, indexes, statistics, defaults and policies call, which
--          its owner may replace. What that calls in turn, PostgreSQL does not know.
-- Parameters: oids (of the tables); state_schema (of the rotation's state).
-- Columns: what (for people), owner. Superusers, this role and its members are no others: they have
--          its rights anyway. Nor is the owner of the state.
WITH RECURSIVE part AS (
    SELECT given.oid::oid FROM pg_catalog.unnest(%(oids)s::bigint[]) AS given (oid)

    UNION

    SELECT child.inhrelid
    FROM part
    INNER JOIN pg_catalog.pg_inherits AS child ON child.inhparent = part.oid
),

type AS (
    SELECT column_.atttypid AS oid
    FROM part
    INNER JOIN pg_catalog.pg_attribute AS column_ ON column_.attrelid = part.oid AND column_.attnum > 0

    UNION

    -- Of a domain and of an array, what is under it.
    SELECT greatest(over.typbasetype, over.typelem)
    FROM type
    INNER JOIN pg_catalog.pg_type AS over ON over.oid = type.oid
    WHERE over.typbasetype <> 0::oid OR over.typelem <> 0::oid
),

caller AS (
    SELECT 'pg_catalog.pg_class'::regclass::oid AS catalog, part.oid FROM part

    UNION ALL

    SELECT 'pg_catalog.pg_class'::regclass::oid, index_.indexrelid
    FROM pg_catalog.pg_index AS index_
    WHERE index_.indrelid IN (SELECT part.oid FROM part)

    UNION ALL

    SELECT 'pg_catalog.pg_constraint'::regclass::oid, constraint_.oid
    FROM pg_catalog.pg_constraint AS constraint_
    WHERE constraint_.conrelid IN (SELECT part.oid FROM part)

    UNION ALL

    SELECT 'pg_catalog.pg_constraint'::regclass::oid, constraint_.oid
    FROM pg_catalog.pg_constraint AS constraint_
    WHERE constraint_.contypid IN (SELECT type.oid FROM type)

    UNION ALL

    SELECT 'pg_catalog.pg_trigger'::regclass::oid, trigger_.oid
    FROM pg_catalog.pg_trigger AS trigger_
    WHERE trigger_.tgrelid IN (SELECT part.oid FROM part) AND trigger_.tgenabled <> 'D'

    UNION ALL

    SELECT 'pg_catalog.pg_attrdef'::regclass::oid, default_.oid
    FROM pg_catalog.pg_attrdef AS default_
    WHERE default_.adrelid IN (SELECT part.oid FROM part)

    UNION ALL

    SELECT 'pg_catalog.pg_policy'::regclass::oid, policy.oid
    FROM pg_catalog.pg_policy AS policy
    WHERE policy.polrelid IN (SELECT part.oid FROM part)

    UNION ALL

    SELECT 'pg_catalog.pg_statistic_ext'::regclass::oid, statistics_.oid
    FROM pg_catalog.pg_statistic_ext AS statistics_
    WHERE statistics_.stxrelid IN (SELECT part.oid FROM part)
),

called AS (
    SELECT DISTINCT dependency.refclassid AS catalog, dependency.refobjid AS oid
    FROM caller
    INNER JOIN pg_catalog.pg_depend AS dependency
        ON dependency.classid = caller.catalog AND dependency.objid = caller.oid
),

owned AS (
    SELECT 'table ' || part.oid::regclass::text AS what, relation.relowner AS owner
    FROM part
    INNER JOIN pg_catalog.pg_class AS relation ON relation.oid = part.oid

    UNION ALL

    SELECT 'type ' || type.oid::regtype::text, itself.typowner
    FROM type
    INNER JOIN pg_catalog.pg_type AS itself ON itself.oid = type.oid

    UNION ALL

    SELECT 'function ' || function.oid::regprocedure::text, function.proowner
    FROM called
    INNER JOIN pg_catalog.pg_proc AS function ON function.oid = called.oid
    WHERE called.catalog = 'pg_catalog.pg_proc'::regclass::oid

    UNION ALL

    SELECT 'function ' || function.oid::regprocedure::text, function.proowner
    FROM called
    INNER JOIN pg_catalog.pg_operator AS operator ON operator.oid = called.oid
    INNER JOIN pg_catalog.pg_proc AS function ON function.oid = operator.oprcode
    WHERE called.catalog = 'pg_catalog.pg_operator'::regclass::oid
)

SELECT DISTINCT owned.what, owner.rolname::text AS owner
FROM owned
INNER JOIN pg_catalog.pg_roles AS owner ON owner.oid = owned.owner
WHERE NOT owner.rolsuper
    AND owner.oid NOT IN (
        SELECT rotation.relowner
        FROM pg_catalog.pg_class AS rotation
        INNER JOIN pg_catalog.pg_namespace AS state ON state.oid = rotation.relnamespace
        WHERE rotation.relname = 'rotation' AND state.nspname::text = %(state_schema)s
    )
    AND NOT pg_catalog.pg_has_role(owner.rolname, current_user, 'MEMBER')
ORDER BY owned.what;
