-- Purpose: how many tokens more than one row holds, by value, where no unique index prevents it.
-- Columns: repeated.
SELECT pg_catalog.count(*) AS repeated
FROM (
    SELECT {column}
    FROM {target}
    WHERE {column} IS NOT NULL
    GROUP BY {column}
    HAVING pg_catalog.count(*) > 1
) AS token;
