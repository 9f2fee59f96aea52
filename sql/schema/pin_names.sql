-- Purpose: let the names in what `migrate` runs mean PostgreSQL's own, whatever the search path has.
--          What the body of a function names is found when it is called, by the path that it has then.
-- Columns: the search path until now.
SELECT
    present.path,
    pg_catalog.set_config('check_function_bodies', 'off', true),
    pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true)
FROM (SELECT pg_catalog.current_setting('search_path') AS path OFFSET 0) AS present;
