-- Purpose: the schema of the tables of the rotation's state, for this role and its search path.
-- Columns: the schema's name, quoted.
SELECT pg_catalog.quote_ident(namespace.nspname)
FROM pg_catalog.pg_namespace AS namespace
INNER JOIN pg_catalog.pg_class AS rotation ON rotation.relnamespace OPERATOR(pg_catalog.=) namespace.oid
WHERE rotation.oid OPERATOR(pg_catalog.=) 'rotation'::regclass::oid;
