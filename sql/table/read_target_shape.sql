-- Purpose: what the target is now, under the lock of the window that is about to be written: everything
--          that would make the rotation's work or its proof worthless if it changed.
-- Parameters: oid, attnum (of the token's column); state_schema (of the rotation's state).
-- Columns: schema, table, column, column_type; protection (row-level security), guard, triggers, rules,
--          foreign_keys (of the column), each as text that changes when they do.
SELECT
    namespace.nspname AS schema,
    relation.relname AS table,
    column_.attname AS column,
    column_.atttypid::regtype::text AS column_type,
    pg_catalog.concat(relation.relrowsecurity, relation.relforcerowsecurity) AS protection,
    fired.guard,
    fired.triggers,
    (
        SELECT pg_catalog.string_agg(rule.oid::text, ', ' ORDER BY rule.oid)
        FROM pg_catalog.pg_rewrite AS rule
        WHERE rule.ev_class = relation.oid
    ) AS rules,
    (
        SELECT pg_catalog.string_agg(DISTINCT reference.oid::text, ', ' ORDER BY reference.oid::text)
        FROM (
            SELECT relation.oid

            UNION

            SELECT relid FROM pg_catalog.pg_partition_tree(relation.oid::regclass)
        ) AS part
        INNER JOIN pg_catalog.pg_attribute AS its
            ON its.attrelid = part.oid AND its.attname = column_.attname
        -- Of its own keys, and of those that refer to it.
        INNER JOIN pg_catalog.pg_depend AS used
            ON used.refclassid = 'pg_catalog.pg_class'::regclass
            AND used.refobjid = part.oid
            AND used.refobjsubid = its.attnum
            AND used.classid = 'pg_catalog.pg_constraint'::regclass
        INNER JOIN pg_catalog.pg_constraint AS reference
            ON reference.oid = used.objid
            AND reference.contype = 'f'
            -- Partitions may be added; what they inherit is not a change.
            AND reference.conparentid = 0
    ) AS foreign_keys
FROM pg_catalog.pg_class AS relation
INNER JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = relation.relnamespace
INNER JOIN pg_catalog.pg_attribute AS column_
    ON column_.attrelid = relation.oid
    AND column_.attnum = %(attnum)s
    AND NOT column_.attisdropped
CROSS JOIN LATERAL (
    SELECT
        pg_catalog.string_agg(each.one, ', ' ORDER BY each.one) FILTER (WHERE each.is_guard) AS guard,
        pg_catalog.string_agg(each.one, ', ' ORDER BY each.one) FILTER (WHERE NOT each.is_guard)
            AS triggers
    FROM (
        SELECT
            pg_catalog.concat_ws(
                ' ', trigger_.oid, trigger_.tgtype, trigger_.tgenabled, function.oid, function.xmin
            ) AS one,
            function.proname ~ '^rotation_guard_[0-9]+$'
            AND function.pronamespace = (
                SELECT state.oid
                FROM pg_catalog.pg_namespace AS state
                WHERE state.nspname::text = %(state_schema)s
            ) AS is_guard
        FROM pg_catalog.pg_trigger AS trigger_
        INNER JOIN pg_catalog.pg_proc AS function ON function.oid = trigger_.tgfoid
        WHERE NOT trigger_.tgisinternal
            -- Partitions may be added; what they inherit is not a change, unless it is disabled there.
            AND (trigger_.tgparentid = 0 OR trigger_.tgenabled IN ('D', 'R'))
            AND trigger_.tgrelid IN (
                SELECT %(oid)s::oid

                UNION ALL

                SELECT relid FROM pg_catalog.pg_partition_tree(%(oid)s::oid::regclass)
            )
    ) AS each
) AS fired
WHERE relation.oid = %(oid)s::oid;
