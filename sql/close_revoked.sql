-- Purpose: index a rotation's set of revoked tokens, with those whose rows moved while it was taken, and
--          make the guard refuse what is in it. From the COMMIT of this transaction on every statement
--          that begins sees the set.
-- Parameters: rotation.
-- Columns: revoked, the number of hashes that the set must hold from now on.
WITH indexed AS MATERIALIZED (
    SELECT {rotation_close_revoked}(%(rotation)s) AS moved
),

lanes AS (
    SELECT coalesce(pg_catalog.sum(tokens), 0)::bigint AS tokens
    FROM {batchprogress}
    WHERE rotation_id = %(rotation)s
)

UPDATE {rotation} AS rotation
SET revoked = lanes.tokens + rotation.leaked + indexed.moved,
    leaked = rotation.leaked + indexed.moved,
    rows_total = lanes.tokens,
    rows_total_exact = true
FROM lanes, indexed
WHERE rotation.id = %(rotation)s
RETURNING rotation.revoked;
