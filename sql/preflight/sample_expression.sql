-- Purpose: what the operator's expression makes of the rows of a window, evaluated twice for each. No
--          value is returned.
-- Parameters: lo, hi (the window's first and last key).
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
    WHERE {key} BETWEEN %(lo)s::{pk_type} AND %(hi)s::{pk_type}
        AND {chosen}
) AS made;
