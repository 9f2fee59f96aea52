-- Purpose: tell listeners whose tokens were replaced, so that caches can drop them. They are notified
--          when the window is committed, and of nothing that is rolled back.
-- Parameters: channel, rotation, table (with its schema), column, lo, hi (the window's bounds, which are
--             left out if they would make it longer than PostgreSQL's limit).
-- Columns: one row, empty.
SELECT
    pg_catalog.pg_notify(
        %(channel)s,
        CASE WHEN pg_catalog.octet_length(said.whole) < 8000 THEN said.whole ELSE said.brief END
    )
FROM (
    SELECT
        pg_catalog.json_build_object(
            'rotation', %(rotation)s::bigint,
            'table', %(table)s::text,
            'column', %(column)s::text,
            'lo', %(lo)s::text,
            'hi', %(hi)s::text
        )::text AS whole,
        pg_catalog.json_build_object(
            'rotation', %(rotation)s::bigint,
            'table', %(table)s::text,
            'column', %(column)s::text
        )::text AS brief
) AS said;
