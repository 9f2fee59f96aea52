-- Purpose: what a cascade of the target's foreign keys runs: the tables to which they carry a new token,
--          with triggers and rules. Asked, as read_target_shape.sql is, if the column has foreign keys.
-- Parameters: oid, attnum (of the token's column).
-- Columns: code_behind_foreign_keys, a text that changes when that does.
WITH RECURSIVE carried AS (
    SELECT %(oid)s::oid AS oid, %(attnum)s::int2 AS attnum, false AS behind

    UNION

    SELECT next.oid, next.attnum, carried.behind OR next.behind
    FROM carried
    CROSS JOIN LATERAL (
        SELECT partition.oid, its.attnum, false AS behind
        FROM pg_catalog.pg_inherits AS child
        INNER JOIN pg_catalog.pg_class AS partition
            ON partition.oid = child.inhrelid AND partition.relispartition
        INNER JOIN pg_catalog.pg_attribute AS same
            ON same.attrelid = carried.oid AND same.attnum = carried.attnum
        INNER JOIN pg_catalog.pg_attribute AS its
            ON its.attrelid = partition.oid AND its.attname = same.attname
        WHERE child.inhparent = carried.oid

        UNION ALL

        -- There is no index by the table that a foreign key refers to, but for its triggers.
        SELECT carrying.conrelid, pair.attnum, true
        FROM pg_catalog.pg_trigger AS acting
        INNER JOIN pg_catalog.pg_constraint AS carrying
            ON carrying.oid = acting.tgconstraint
            AND carrying.confrelid = carried.oid
            AND carrying.confupdtype IN ('c', 'n', 'd')
        CROSS JOIN LATERAL ROWS FROM (
            pg_catalog.unnest(carrying.conkey), pg_catalog.unnest(carrying.confkey)
        ) AS pair (attnum, referred)
        WHERE acting.tgrelid = carried.oid
            AND acting.tgisinternal
            AND acting.tgenabled IN ('O', 'A')
            -- The bit of pg_trigger.tgtype that stands for UPDATE, from PostgreSQL's pg_trigger.h.
            AND acting.tgtype::int & 16 <> 0
            AND (
                pair.referred = carried.attnum
                -- Every column of such a key gets NULL or its default.
                OR (carrying.confupdtype IN ('n', 'd') AND carried.attnum = ANY (carrying.confkey))
            )
    ) AS next
),

behind AS (
    SELECT carried.oid
    FROM carried
    GROUP BY carried.oid
    HAVING pg_catalog.bool_and(carried.behind)
)

SELECT pg_catalog.string_agg(each.one, ', ' ORDER BY each.one) AS code_behind_foreign_keys
FROM (
    SELECT
        pg_catalog.concat_ws(
            ' ', trigger_.oid, trigger_.tgtype, trigger_.tgenabled, function.oid, function.xmin
        ) AS one
    FROM behind
    INNER JOIN pg_catalog.pg_trigger AS trigger_ ON trigger_.tgrelid = behind.oid
    INNER JOIN pg_catalog.pg_proc AS function ON function.oid = trigger_.tgfoid
    WHERE NOT trigger_.tgisinternal
        -- Partitions may be added; what they inherit is not a change, unless it is disabled there.
        AND (trigger_.tgparentid = 0 OR trigger_.tgenabled IN ('D', 'R'))

    UNION ALL

    SELECT pg_catalog.concat_ws(' ', follower.oid, rule.oid, rule.ev_enabled)
    FROM behind
    INNER JOIN pg_catalog.pg_class AS follower
        ON follower.oid = behind.oid AND NOT follower.relispartition
    LEFT JOIN pg_catalog.pg_rewrite AS rule ON rule.ev_class = follower.oid
) AS each;
