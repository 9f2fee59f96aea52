-- Purpose: a row that is to be rotated, and for which the operator's expression is NULL.
-- Columns: key; no row if there is none.
SELECT target.{pk}::text AS key
FROM {target} AS target
WHERE {chosen} AND ({new_token}) IS NULL
LIMIT 1;
