-- Purpose: find_window.sql for a table distributed by Citus, which would run each of its subqueries
--          every time. Each shard sends at most its next `size` keys.
-- Parameters: lower, upper (the lane's bounds), last_id (its checkpoint, NULL at its start), size.
-- Columns: lo, hi (the window's first and last key), keys (how many rows it holds); lo and hi are NULL
--          if no row is left.
WITH next AS MATERIALIZED (
    SELECT {pk} AS key
    FROM {target}
    WHERE {pk} >= %(lower)s::{pk_type}
        AND {pk} <= %(upper)s::{pk_type}
        AND (%(last_id)s::{pk_type} IS NULL OR {pk} > %(last_id)s::{pk_type})
    ORDER BY {pk}
    LIMIT %(size)s
)

SELECT
    (SELECT next.key::text FROM next ORDER BY next.key LIMIT 1) AS lo,
    (SELECT next.key::text FROM next ORDER BY next.key DESC LIMIT 1) AS hi,
    (SELECT pg_catalog.count(*) FROM next) AS keys;
