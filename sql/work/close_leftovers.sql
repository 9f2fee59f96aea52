-- Purpose: close entries of the list of rows left over: they were rotated in this transaction, or no
--          longer exist.
-- Parameters: ids.
-- Columns: lo, hi (least and greatest key of those entries, as text; NULL if there was none).
WITH closed AS (
    UPDATE {rotation_leftover}
    SET rotated_at = pg_catalog.clock_timestamp()
    WHERE id = ANY (%(ids)s::bigint[]) AND rotated_at IS NULL
    RETURNING key
)

SELECT
    (SELECT closed.key FROM closed ORDER BY closed.key::{pk_type} LIMIT 1) AS lo,
    (SELECT closed.key FROM closed ORDER BY closed.key::{pk_type} DESC LIMIT 1) AS hi;
