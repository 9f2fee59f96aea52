-- Purpose: check_window.sql for a table distributed by Citus: the workers don't have the revoked set.
-- Parameters: set, salt; lo, hi (the window's first and last key); pattern (of the format of new tokens;
--          NULL without one).
-- Columns: tokens, distinct_tokens, unchanged (tokens that are in the revoked set), unlike (tokens that
--          are not of that format).
WITH present AS MATERIALIZED (
    SELECT target.{column} AS token, {rotation_hash}({token}, %(salt)s::bigint) AS hash
    FROM {target} AS target
    WHERE target.{pk} BETWEEN %(lo)s::{pk_type} AND %(hi)s::{pk_type}
        AND target.{column} IS NOT NULL
        AND {written}
)

SELECT
    pg_catalog.count(*) AS tokens,
    pg_catalog.count(DISTINCT present.token) AS distinct_tokens,
    pg_catalog.count(*) FILTER (
        WHERE EXISTS (
            SELECT FROM {rotation_revoked} AS revoked
            WHERE revoked.set_id = %(set)s AND revoked.hash = present.hash
        )
    ) AS unchanged,
    pg_catalog.count(*) FILTER (
        WHERE present.token::pg_catalog.text COLLATE "C" !~ %(pattern)s::text
    ) AS unlike
FROM present;
