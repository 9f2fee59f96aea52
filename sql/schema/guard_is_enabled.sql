-- Purpose: whether the guard of a model's field fires, with both of its triggers, whatever
--          session_replication_role is.
-- Parameters: the table's name, quoted; the trigger's name, by which django-pgtrigger knows it.
-- Columns: enabled; NULL if it is not installed.
SELECT pg_catalog.bool_and(half.tgenabled OPERATOR(pg_catalog.=) 'A') AS enabled
FROM pg_catalog.pg_trigger AS known
INNER JOIN pg_catalog.pg_trigger AS half
    ON half.tgrelid OPERATOR(pg_catalog.=) known.tgrelid
    AND half.tgfoid OPERATOR(pg_catalog.=) known.tgfoid
WHERE known.tgrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(%s)::pg_catalog.oid
    AND known.tgname OPERATOR(pg_catalog.=) %s;
