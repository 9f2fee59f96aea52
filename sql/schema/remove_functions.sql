-- Purpose: drop the functions of the state's triggers that django-pgtrigger leaves behind, unless a
--          trigger still uses them: the very last step of `migrate rotation zero`. The tables are gone
--          by then.
DO $$
DECLARE
    unused regprocedure;
BEGIN
    FOR unused IN
        SELECT function.oid
        FROM pg_catalog.pg_proc AS function
        WHERE function.prorettype = 'pg_catalog.trigger'::regtype::oid
            AND pg_catalog.pg_function_is_visible(function.oid)
            AND function.proname ~ (
                '^pgtrigger_(append_only|checkpoint_moves_forward|kept_for_ever|kept_from_truncate'
                '|legal_arrows|same_bounds|same_target|steering_is_appended)_[0-9a-f]+$'
            )
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgfoid = function.oid)
    LOOP
        EXECUTE pg_catalog.concat('DROP FUNCTION ', unused);
    END LOOP;
END;
$$;
