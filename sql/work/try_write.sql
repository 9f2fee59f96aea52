-- Purpose: try a write of the canary, undo it, and report the outcome. Its text is a value here, so it
--          can't end this block; its error is caught, and so appears in no log.
-- Parameters: tried (which returns a boolean), active (as the rotation writes, past the guard; see
--          pass_guard.sql; or empty).
-- Columns: outcome (written, revoked where that boolean is true, nothing, or an SQLSTATE), by_guard (it
--          is an SQLSTATE of an error within a guard's function).
SELECT
    pg_catalog.set_config('rotation.trial', %(tried)s::text, true),
    pg_catalog.set_config('rotation.trial_as', %(active)s::text, true);

DO $trial$
DECLARE
    revoked boolean;
    context text;
BEGIN
    PERFORM pg_catalog.set_config(
        'rotation.active', pg_catalog.current_setting('rotation.trial_as'), true
    );
    EXECUTE pg_catalog.current_setting('rotation.trial') INTO revoked;
    RAISE SQLSTATE 'RT001' USING
        MESSAGE = CASE
            WHEN revoked THEN 'revoked'
            WHEN revoked IS NULL THEN 'nothing'
            ELSE 'written'
        END;
EXCEPTION
    WHEN SQLSTATE 'RT001' THEN
        PERFORM pg_catalog.set_config('rotation.trial', SQLERRM, true);
    WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
        PERFORM pg_catalog.set_config('rotation.trial', SQLSTATE, true);
        PERFORM pg_catalog.set_config('rotation.trial_as', context, true);
END;
$trial$;

SELECT
    pg_catalog.current_setting('rotation.trial') AS outcome,
    pg_catalog.current_setting('rotation.trial_as') ~ 'rotation_guard_[0-9]+[(][)]' AS by_guard;
