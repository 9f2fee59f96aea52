-- Purpose: whether a name still means the same column: asked after it was used, while the lock on what
--          was read keeps both unchanged. Reads the current catalog, whatever this transaction's
--          snapshot.
-- Parameters: oid (of the table), attnum (of the column), schema, table, column (their names).
-- Columns: same.
SELECT coalesce(
    identified.identity = pg_catalog.concat_ws(
        '.',
        pg_catalog.quote_ident(%(schema)s),
        pg_catalog.quote_ident(%(table)s),
        pg_catalog.quote_ident(%(column)s)
    ),
    false
) AS same
FROM pg_catalog.pg_identify_object(
    'pg_catalog.pg_class'::regclass, %(oid)s::oid, %(attnum)s
) AS identified;
