-- Purpose: let names mean again what they did before pin_names.sql.
-- Parameters: the search path (positional).
SELECT pg_catalog.set_config('search_path', %s, true);
