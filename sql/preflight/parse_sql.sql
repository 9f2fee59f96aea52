-- Purpose: let PostgreSQL parse a statement with SQL of the operator's own in it, without running it, in
--          a transaction that only reads (open_reading.sql). It is passed as a value, and its error is
--          caught, and so appears in no log.
-- Parameters: statement.
-- Columns: problem (why it can't be used; empty if it can).
SELECT pg_catalog.set_config('rotation.statement', %(statement)s, true);

DO $parse$
BEGIN
    EXECUTE 'PREPARE rotation_parsed AS ' || pg_catalog.current_setting('rotation.statement');
    IF EXISTS (
        SELECT FROM pg_catalog.pg_prepared_statements AS parsed
        WHERE parsed.name = 'rotation_parsed' AND pg_catalog.cardinality(parsed.parameter_types) > 0
    ) THEN
        RAISE EXCEPTION 'it has a parameter, such as $1';
    END IF;
    DEALLOCATE rotation_parsed;
    PERFORM pg_catalog.set_config('rotation.problem', '', true);
EXCEPTION
    WHEN OTHERS THEN
        PERFORM pg_catalog.set_config('rotation.problem', SQLERRM, true);
END
$parse$;

SELECT pg_catalog.current_setting('rotation.problem') AS problem;
