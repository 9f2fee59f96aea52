-- Purpose: compare by value what a window's UPDATE left behind, before it is rolled back.
-- Parameters: set, salt; lo, hi (the window's first and last key); pattern (of the format of new tokens;
--          NULL without one).
-- Columns: tokens, distinct_tokens (of the rows that are to be rotated), unchanged (tokens that are in
--          the revoked set), unlike (tokens that are not of that format).
SELECT
    pg_catalog.count(*) FILTER (WHERE {written}) AS tokens,
    pg_catalog.count(DISTINCT target.{column}) FILTER (WHERE {written}) AS distinct_tokens,
    pg_catalog.count(*) FILTER (
        WHERE {written} AND EXISTS (
            SELECT FROM {rotation_revoked} AS revoked
            WHERE revoked.set_id = %(set)s
                AND revoked.hash = {rotation_hash}({token}, %(salt)s::bigint)
        )
    ) AS unchanged,
    pg_catalog.count(*) FILTER (
        WHERE {written} AND target.{column}::pg_catalog.text COLLATE "C" !~ %(pattern)s::text
    ) AS unlike
FROM {target} AS target
WHERE target.{pk} BETWEEN %(lo)s::{pk_type} AND %(hi)s::{pk_type}
    AND target.{column} IS NOT NULL;
