-- Purpose: by value, how many tickets hold a token that was remembered, and how many tokens there are.
-- Columns: unchanged, distinct_tokens.
SELECT
    pg_catalog.count(*) FILTER (WHERE token IN (SELECT token FROM demo_before)) AS unchanged,
    pg_catalog.count(DISTINCT token) AS distinct_tokens
FROM ticket;
