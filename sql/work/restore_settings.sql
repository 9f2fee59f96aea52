-- Purpose: restore what the application's triggers rely on: the role's search path, and that they may
--          read views. Precedes what fires them: a write to the target, and the COMMIT.
SET LOCAL search_path TO DEFAULT;

SELECT CASE
    WHEN pg_catalog.current_setting('restrict_nonsystem_relation_kind', true) IS NOT NULL
        THEN pg_catalog.set_config('restrict_nonsystem_relation_kind', '', true)
END;
