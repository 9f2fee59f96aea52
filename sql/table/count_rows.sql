-- Purpose: the exact number of rows, and of those that have a token.
-- Columns: keys, tokens.
SELECT
    pg_catalog.count(*) AS keys,
    pg_catalog.count({column}) AS tokens
FROM {target};
