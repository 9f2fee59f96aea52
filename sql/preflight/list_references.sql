-- Purpose: the foreign keys that a new token would touch: of the column itself, and of those to which
--          they would carry it on.
-- Parameters: oids, attnums (from list_token_columns.sql).
-- Columns: name, table (the other one), outgoing (the token refers to it, not the other way round),
--          on_update (pg_constraint.confupdtype), carried (the column that it refers to, if not the
--          token's), acts (false if a new token does nothing, because the key is NOT ENFORCED or its
--          triggers on the table that it refers to are disabled), triggers (of the other table and its
--          partitions, that fire for an UPDATE; NULL for none).
WITH RECURSIVE token AS (
    SELECT oid, attnum
    FROM ROWS FROM (
        pg_catalog.unnest(%(oids)s::oid[]), pg_catalog.unnest(%(attnums)s::int2[])
    ) AS token (oid, attnum)
),

acting AS (
    SELECT reference.*
    FROM pg_catalog.pg_constraint AS reference
    WHERE reference.contype = 'f'
        AND EXISTS (
            SELECT FROM pg_catalog.pg_trigger AS trigger_
            WHERE trigger_.tgconstraint = reference.oid
                AND trigger_.tgrelid = reference.confrelid
                AND trigger_.tgenabled IN ('O', 'A')
                -- The bit of pg_trigger.tgtype that stands for UPDATE, from PostgreSQL's pg_trigger.h.
                AND trigger_.tgtype::int & 16 <> 0
        )
),

changed AS (
    SELECT token.oid, token.attnum FROM token

    UNION

    SELECT carrying.conrelid, pair.attnum
    FROM changed
    INNER JOIN acting AS carrying
        ON carrying.confrelid = changed.oid
        AND carrying.confupdtype NOT IN ('a', 'r')
    CROSS JOIN LATERAL ROWS FROM (
        pg_catalog.unnest(carrying.conkey), pg_catalog.unnest(carrying.confkey)
    ) AS pair (attnum, referred)
    WHERE pair.referred = changed.attnum
        -- Every column of such a key gets NULL or its default.
        OR (carrying.confupdtype IN ('n', 'd') AND changed.attnum = ANY (carrying.confkey))
)

SELECT DISTINCT
    reference.conname AS name,
    CASE WHEN touched.outgoing THEN reference.confrelid ELSE reference.conrelid END
        ::regclass::text AS table,
    touched.outgoing,
    reference.confupdtype AS on_update,
    reference.oid IN (SELECT acting.oid FROM acting) AS acts,
    CASE WHEN NOT touched.itself THEN changed.oid::regclass || '.' || column_.attname END AS carried,
    (
        SELECT pg_catalog.string_agg(
            DISTINCT trigger_.tgname::text, ', ' ORDER BY trigger_.tgname::text
        )
        FROM pg_catalog.pg_trigger AS trigger_
        WHERE trigger_.tgrelid IN (
            SELECT reference.conrelid

            UNION ALL

            SELECT relid FROM pg_catalog.pg_partition_tree(reference.conrelid::regclass)
        )
            AND NOT trigger_.tgisinternal
            AND trigger_.tgenabled IN ('O', 'A')
            AND trigger_.tgtype::int & 16 <> 0
    ) AS triggers
FROM changed
INNER JOIN pg_catalog.pg_attribute AS column_
    ON column_.attrelid = changed.oid AND column_.attnum = changed.attnum
INNER JOIN pg_catalog.pg_constraint AS reference
    ON reference.contype = 'f'
    AND reference.conparentid = 0
    AND changed.oid IN (reference.confrelid, reference.conrelid)
CROSS JOIN LATERAL (
    SELECT
        NOT (reference.confrelid = changed.oid AND changed.attnum = ANY (reference.confkey)) AS outgoing,
        (changed.oid, changed.attnum) IN (SELECT token.oid, token.attnum FROM token) AS itself
) AS touched
WHERE NOT touched.outgoing
    OR (
        changed.attnum = ANY (reference.conkey)
        -- Not the key that carries the new token there.
        AND NOT EXISTS (
            SELECT FROM changed AS source
            WHERE source.oid = reference.confrelid AND source.attnum = ANY (reference.confkey)
        )
    )
ORDER BY carried NULLS FIRST, name;
