-- Purpose: find by value the rows that hold a token of the list; they are named only by key.
-- Parameters: salt, most (how many keys).
-- Columns: listed (tokens in the list), valid (rows that hold one of them), keys (of the first
--          of those).
WITH listed AS MATERIALIZED (
    SELECT DISTINCT {rotation_hash}(token, %(salt)s::bigint) AS hash FROM pg_temp.leaked_token
),

alive AS MATERIALIZED (
    SELECT target.{pk} AS key
    FROM {target} AS target
    WHERE target.{column} IS NOT NULL
        AND {rotation_hash}({token}, %(salt)s::bigint) IN (SELECT listed.hash FROM listed)
)

SELECT
    (SELECT pg_catalog.count(*) FROM listed) AS listed,
    (SELECT pg_catalog.count(*) FROM alive) AS valid,
    ARRAY(SELECT alive.key::text FROM alive ORDER BY alive.key LIMIT %(most)s) AS keys;
