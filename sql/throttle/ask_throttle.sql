-- Purpose: run the query of --throttle-sql, in a transaction that only reads (open_reading.sql). It is
--          passed as a value and opened as a cursor: PostgreSQL then accepts one query and nothing
--          else, no second statement, no COMMIT, no COPY, and reads at most two rows of it.
-- Parameters: query.
-- Columns: answers (a row as JSON on each line, truncated at 1000 characters; two lines: there are
--          more).
SELECT
    pg_catalog.set_config('rotation.query', %(query)s, true),
    -- It is the operator's own query, and may read views.
    CASE
        WHEN pg_catalog.current_setting('restrict_nonsystem_relation_kind', true) IS NOT NULL
            THEN pg_catalog.set_config('restrict_nonsystem_relation_kind', '', true)
    END;

DO $ask$
DECLARE
    found record;
    answers text[];
BEGIN
    FOR found IN EXECUTE pg_catalog.current_setting('rotation.query') LOOP
        answers := pg_catalog.array_append(
            answers, pg_catalog.left(pg_catalog.row_to_json(found)::text, 1000)
        );
        EXIT WHEN pg_catalog.cardinality(answers) = 2;
    END LOOP;
    PERFORM pg_catalog.set_config(
        'rotation.answers', pg_catalog.array_to_string(answers, pg_catalog.chr(10)), true
    );
END
$ask$;

SELECT pg_catalog.current_setting('rotation.answers') AS answers;
