-- Purpose: search_copies.sql for tokens of any text: a value is one token as it is, and wherever text
--          within it has the format of the new tokens. Old tokens of another format are found only as a
--          whole value.
-- Parameters: set, salt; pattern (a regular expression for a token; NULL: only whole values).
-- Columns: number (of the column, from 1), rows (that hold one; no row for a column without).
WITH held AS (
    SELECT value.row, value.number, run.token
    FROM (
        SELECT numbered.row, pair.number, pair.document
        FROM (
            SELECT pg_catalog.row_number() OVER () AS row, {columns}
            FROM {copied} AS copied
        ) AS numbered
        CROSS JOIN LATERAL (VALUES {values}) AS pair (number, document)
    ) AS value
    CROSS JOIN LATERAL (
        SELECT value.document AS token
        WHERE value.document IS NOT NULL

        UNION ALL

        SELECT found.texts[1]
        FROM pg_catalog.regexp_matches(value.document, %(pattern)s::text, 'g') AS found (texts)
    ) AS run
)

SELECT hashed.number, pg_catalog.count(DISTINCT hashed.row) AS rows
FROM (
    SELECT held.number, held.row, {rotation_hash}(held.token, %(salt)s::bigint) AS hash
    FROM held
    -- With OFFSET, or the planner may first join every row with every hash of the set.
    OFFSET 0
) AS hashed
WHERE EXISTS (
    SELECT FROM {rotation_revoked} AS revoked
    WHERE revoked.set_id = %(set)s AND revoked.hash = hashed.hash
)
GROUP BY hashed.number;
