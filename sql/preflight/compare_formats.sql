-- Purpose: how many of the present tokens that are to be replaced differ from what the new ones will
--          look like. None is returned.
-- Parameters: most (rows to look at); size (characters of a new token); prefix, suffix (its fixed text);
--             pattern (a regular expression for the whole of it).
-- Columns: tokens, otherwise_long, otherwise_begun, otherwise_ended, different (in any way).
SELECT
    pg_catalog.count(*) AS tokens,
    pg_catalog.count(*) FILTER (WHERE pg_catalog.length(present.token) <> %(size)s) AS otherwise_long,
    pg_catalog.count(*) FILTER (
        WHERE pg_catalog.left(present.token, pg_catalog.length(%(prefix)s::text)) <> %(prefix)s
    ) AS otherwise_begun,
    pg_catalog.count(*) FILTER (
        WHERE pg_catalog.right(present.token, pg_catalog.length(%(suffix)s::text)) <> %(suffix)s
    ) AS otherwise_ended,
    pg_catalog.count(*) FILTER (WHERE present.token !~ %(pattern)s) AS different
FROM (
    SELECT target.{column}::text COLLATE "C" AS token
    FROM {target} AS target
    WHERE {chosen}
    LIMIT %(most)s
) AS present;
