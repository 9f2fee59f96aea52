-- Purpose: the bounds of the next window: at most `size` rows after the checkpoint, whatever the
--          gaps between their keys. Reads the primary key's index only.
-- Parameters: lower, upper (the lane's bounds), last_id (its checkpoint, NULL at its start), size.
-- Columns: lo, hi (the window's first and last key), keys (how many rows it holds);
--          lo and hi are NULL if no row is left.
WITH keys AS MATERIALIZED (
    SELECT {pk} AS key
    FROM {target}
    WHERE {pk} >= %(lower)s::{pk_type}
        AND {pk} <= %(upper)s::{pk_type}
        AND (%(last_id)s::{pk_type} IS NULL OR {pk} > %(last_id)s::{pk_type})
    ORDER BY {pk}
    LIMIT %(size)s
)
SELECT
    (SELECT key FROM keys ORDER BY key LIMIT 1)::text AS lo,
    (SELECT key FROM keys ORDER BY key DESC LIMIT 1)::text AS hi,
    (SELECT pg_catalog.count(*) FROM keys) AS keys;
