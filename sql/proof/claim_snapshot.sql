-- Purpose: let one process at a time take a rotation's snapshot of tokens, until COMMIT.
-- Parameters: rotation.
-- Columns: alone (no other process is taking it).
SELECT {rotation_claim_snapshot}(%(rotation)s::bigint) AS alone;
