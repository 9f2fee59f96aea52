-- Purpose: the foreign keys that a new token would touch: of the column itself, and of those to which
--          they would carry it on.
-- Parameters: oid, attnum (of the token's column).
-- Columns: name, table (the other one), outgoing (the token refers to it, not the other way round),
--          on_update (pg_constraint.confupdtype), carried (the column that it refers to, if not the
--          token's).
WITH RECURSIVE token AS (
    -- Keys may refer to a partition, too.
    SELECT part.oid, column_.attnum
    FROM (
        SELECT %(oid)s::oid AS oid

        UNION

        SELECT relid FROM pg_catalog.pg_partition_tree(%(oid)s::oid::regclass)
    ) AS part
    INNER JOIN pg_catalog.pg_attribute AS asked
        ON asked.attrelid = %(oid)s::oid AND asked.attnum = %(attnum)s
    INNER JOIN pg_catalog.pg_attribute AS column_
        ON column_.attrelid = part.oid AND column_.attname = asked.attname
),

changed AS (
    SELECT token.oid, token.attnum FROM token

    UNION

    SELECT carrying.conrelid, pair.attnum
    FROM changed
    INNER JOIN pg_catalog.pg_constraint AS carrying
        ON carrying.contype = 'f'
        AND carrying.confrelid = changed.oid
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
    CASE WHEN NOT touched.itself THEN changed.oid::regclass || '.' || column_.attname END AS carried
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
