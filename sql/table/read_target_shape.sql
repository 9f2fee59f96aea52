-- Purpose: what the target is now, under the lock of the window that was just written: everything that
--          would make the rotation's work or its proof worthless if it changed.
-- Parameters: oid, attnum (of the token's column).
-- Columns: schema, table, column, column_type; protection (row-level security), triggers, rules,
--          foreign_keys (of the column), each as text that changes when they do.
SELECT
    namespace.nspname AS schema,
    relation.relname AS table,
    column_.attname AS column,
    column_.atttypid::regtype::text AS column_type,
    pg_catalog.concat(relation.relrowsecurity, relation.relforcerowsecurity) AS protection,
    (
        SELECT pg_catalog.string_agg(
            pg_catalog.concat_ws(
                ' ', trigger_.oid, trigger_.tgtype, trigger_.tgenabled, function.oid, function.xmin
            ),
            ', ' ORDER BY trigger_.oid
        )
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
    ) AS triggers,
    (
        SELECT pg_catalog.string_agg(rule.oid::text, ', ' ORDER BY rule.oid)
        FROM pg_catalog.pg_rewrite AS rule
        WHERE rule.ev_class = relation.oid
    ) AS rules,
    (
        SELECT pg_catalog.string_agg(reference.oid::text, ', ' ORDER BY reference.oid)
        FROM pg_catalog.pg_constraint AS reference
        WHERE reference.contype = 'f'
            AND (
                (reference.confrelid = relation.oid AND column_.attnum = ANY (reference.confkey))
                OR (reference.conrelid = relation.oid AND column_.attnum = ANY (reference.conkey))
            )
    ) AS foreign_keys
FROM pg_catalog.pg_class AS relation
INNER JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = relation.relnamespace
INNER JOIN pg_catalog.pg_attribute AS column_
    ON column_.attrelid = relation.oid
    AND column_.attnum = %(attnum)s
    AND NOT column_.attisdropped
WHERE relation.oid = %(oid)s::oid;
