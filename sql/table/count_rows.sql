-- Purpose: the exact number of rows, and of those that have a token and are to be rotated.
-- Columns: keys, tokens.
SELECT
    pg_catalog.count(*) AS keys,
    pg_catalog.count(*) FILTER (WHERE {chosen}) AS tokens
FROM {target} AS target;
