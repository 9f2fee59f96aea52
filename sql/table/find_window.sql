-- Purpose: the bounds of the next window: at most `size` rows after the checkpoint, whatever the
--          gaps between their keys. Reads only the primary key's index, and counts rows only if
--          fewer than `size` are left.
-- Parameters: lower, upper (the lane's bounds), last_id (its checkpoint, NULL at its start), size.
-- Columns: lo, hi (the window's first and last key), keys (how many rows it holds);
--          lo and hi are NULL if no row is left.
WITH remaining AS NOT MATERIALIZED (
    SELECT {pk} AS key
    FROM {target}
    WHERE {pk} >= %(lower)s::{pk_type}
        AND {pk} <= %(upper)s::{pk_type}
        AND (%(last_id)s::{pk_type} IS NULL OR {pk} > %(last_id)s::{pk_type})
),

bounds AS MATERIALIZED (
    SELECT
        (SELECT key FROM remaining ORDER BY key LIMIT 1) AS lo,
        (SELECT key FROM remaining ORDER BY key LIMIT 1 OFFSET %(size)s - 1) AS full_hi
)

SELECT
    lo::text,
    coalesce(full_hi, (SELECT key FROM remaining ORDER BY key DESC LIMIT 1))::text AS hi,
    CASE
        WHEN full_hi IS NULL THEN (SELECT pg_catalog.count(*) FROM remaining)
        ELSE %(size)s
    END AS keys
FROM bounds;
