-- Purpose: what the operator's expression makes of some of the rows that are to be rotated, evaluated
--          twice for each. No value is returned.
-- Parameters: most (rows to look at).
-- Columns: tokens, distinct_tokens, missing (NULL), repeated (the same both times), kept
--          (the present token).
SELECT
    pg_catalog.count(*) AS tokens,
    pg_catalog.count(DISTINCT made.once) AS distinct_tokens,
    pg_catalog.count(*) FILTER (WHERE made.once IS NULL) AS missing,
    pg_catalog.count(*) FILTER (WHERE made.once = made.again) AS repeated,
    pg_catalog.count(*) FILTER (WHERE made.once = made.present) AS kept
FROM (
    SELECT
        {new_token}::text COLLATE "C" AS once,
        {new_token}::text COLLATE "C" AS again,
        target.{column}::text COLLATE "C" AS present
    FROM {target} AS target
    WHERE {chosen}
    LIMIT %(most)s
) AS made;
