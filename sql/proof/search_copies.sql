-- Purpose: by value, how many rows of a table hold a revoked token in each of its columns, in one pass
--          and one snapshot of the table. A uuid is one token. Text holds one wherever there are 32
--          hexadecimal digits in a row, with or without hyphens, in upper or lower case; in a longer
--          run, e.g. a key directly followed by a token, every 32 of them are tried.
-- Parameters: set, salt.
-- Columns: number (of the column, from 1), rows (that hold one; no row for a column without).
WITH held AS (
    SELECT value.row, value.number, run.token
    FROM (
        SELECT numbered.row, pair.number, pair.token, pair.document
        FROM (
            -- Not ctid: a role that was granted only some columns may not read it.
            SELECT pg_catalog.row_number() OVER () AS row, {columns}
            FROM {copied} AS copied
        ) AS numbered
        CROSS JOIN LATERAL (VALUES {values}) AS pair (number, token, document)
    ) AS value
    CROSS JOIN LATERAL (
        SELECT value.token
        WHERE value.token IS NOT NULL

        UNION ALL

        -- As bytes, so that a slice is fast however long the run is; made only once, which OFFSET
        -- ensures.
        SELECT pg_catalog.encode(pg_catalog.substr(digits.bytes, place.first, 32), 'escape')::uuid
        FROM (
            SELECT pg_catalog.decode(pg_catalog.translate(found.texts[1], '-', ''), 'escape') AS bytes
            FROM (
                SELECT value.document
                WHERE pg_catalog.length(value.document) >= 32
                    AND value.document ~* '[0-9a-f-]{{32}}'
            ) AS suspect
            CROSS JOIN LATERAL pg_catalog.regexp_matches(suspect.document, '[0-9a-f-]{{32,}}', 'gi')
                AS found (texts)
            OFFSET 0
        ) AS digits
        CROSS JOIN LATERAL pg_catalog.generate_series(1, pg_catalog.length(digits.bytes) - 31)
            AS place (first)
    ) AS run
)

SELECT hashed.number, pg_catalog.count(DISTINCT hashed.row) AS rows
FROM (
    SELECT
        held.number,
        held.row,
        {rotation_hash}(held.token::pg_catalog.uuid, %(salt)s::bigint) AS hash
    FROM held
    -- With OFFSET, or the planner may first join every row with every hash of the set.
    OFFSET 0
) AS hashed
WHERE EXISTS (
    SELECT FROM {rotation_revoked} AS revoked
    WHERE revoked.set_id = %(set)s AND revoked.hash = hashed.hash
)
GROUP BY hashed.number;
