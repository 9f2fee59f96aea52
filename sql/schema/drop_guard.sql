-- Purpose: drop the guard of a model's field, both of its triggers.
-- Parameters: {table}, the model's table, quoted; {pgid}, the name by which django-pgtrigger knows it.
DO $drop_guard$
DECLARE
    statement text;
BEGIN
    FOR statement IN
        SELECT pg_catalog.concat(
            'DROP TRIGGER ', pg_catalog.quote_ident(half.tgname),
            ' ON ', half.tgrelid::regclass
        )
        FROM pg_catalog.pg_trigger AS known
        INNER JOIN pg_catalog.pg_trigger AS half
            ON half.tgrelid = known.tgrelid AND half.tgfoid = known.tgfoid
        WHERE known.tgrelid = $table${table}$table$::regclass::oid
            AND known.tgname = '{pgid}'
    LOOP
        EXECUTE statement;
    END LOOP;
END;
$drop_guard$;
