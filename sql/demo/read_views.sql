-- Purpose: let the application's triggers read views, in a transaction that make_durable.sql has opened.
SELECT CASE
    WHEN pg_catalog.current_setting('restrict_nonsystem_relation_kind', true) IS NOT NULL
        THEN pg_catalog.set_config('restrict_nonsystem_relation_kind', '', true)
END;
