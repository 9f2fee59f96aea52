-- Purpose: drop what the other files here have created. The guards go first: without the state that they
--          read, no row could be written any more.
-- Parameters: {state}, the schema of the rotation's state; {state_text}, the same within a string.
DO $$
DECLARE
    guard record;
    function regprocedure;
BEGIN
    FOR guard IN
        SELECT trigger_.tgname, trigger_.tgrelid::regclass AS guarded
        FROM pg_catalog.pg_trigger AS trigger_
        INNER JOIN pg_catalog.pg_proc AS function ON function.oid = trigger_.tgfoid
        INNER JOIN pg_catalog.pg_class AS state
            ON state.oid = '{state_text}.rotation'::regclass::oid
            AND state.relnamespace = function.pronamespace
        WHERE trigger_.tgparentid = 0 AND function.proname ~ '^rotation_guard_[0-9]+$'
    LOOP
        EXECUTE pg_catalog.concat(
            'DROP TRIGGER ', pg_catalog.quote_ident(guard.tgname), ' ON ', guard.guarded
        );
    END LOOP;
    FOR function IN
        SELECT made.oid
        FROM pg_catalog.pg_proc AS made
        INNER JOIN pg_catalog.pg_class AS state
            ON state.oid = '{state_text}.rotation'::regclass::oid
            AND state.relnamespace = made.pronamespace
        WHERE made.proname ~ '^rotation_guard_[0-9]+$'
    LOOP
        EXECUTE pg_catalog.concat('DROP FUNCTION ', function);
    END LOOP;
END;
$$;

DROP FUNCTION
    {state}.rotation_prepare_guard(oid, smallint, text),
    {state}.rotation_find_unused_guard(),
    {state}.rotation_inspect_guard(oid, smallint),
    {state}.rotation_target_shape(oid, smallint),
    {state}.rotation_advance(
        bigint, text, text, text, text, bigint, double precision, double precision, text, text, text[]
    ),
    {state}.rotation_guard_trigger(oid, smallint, name, boolean, regprocedure),
    {state}.rotation_write_guard(regprocedure, oid, smallint),
    {state}.rotation_refuses(text, int, bigint, oid, text),
    {state}.rotation_reading(oid, name),
    {state}.rotation_called(regclass, int),
    {state}.rotation_guard_body(oid, smallint),
    {state}.rotation_guards(oid, smallint),
    {state}.rotation_reads_as(oid),
    {state}.rotation_complete_set(bigint, bigint),
    {state}.rotation_claim_snapshot(bigint),
    {state}.rotation_create_set(bigint),
    {state}.rotation_require_recent_snapshot(text, int),
    {state}.rotation_note_change(int),
    {state}.rotation_this_system(),
    {state}.rotation_keep_to_owner(regclass, oid, text),
    {state}.rotation_with_set(oid, smallint),
    {state}.rotation_of_column(oid, smallint),
    {state}.rotation_hash(text, bigint),
    {state}.rotation_hash(uuid, bigint);

DROP SEQUENCE {state}.rotation_guard_number, {state}.rotation_revoked_system;

DO $$
DECLARE
    sequence regclass;
BEGIN
    FOR sequence IN
        SELECT since.oid
        FROM pg_catalog.pg_class AS since
        INNER JOIN pg_catalog.pg_class AS state
            ON state.oid = '{state_text}.rotation'::regclass::oid
            AND state.relnamespace = since.relnamespace
        WHERE since.relkind = 'S' AND since.relname ~ '^rotation_revoked_[0-9]+_since$'
    LOOP
        EXECUTE pg_catalog.concat('DROP SEQUENCE ', sequence);
    END LOOP;
END;
$$;

DROP TABLE {state}.rotation_revoked;

DROP TRIGGER forget_sets ON {state}.rotation;
DROP TRIGGER kept ON {state}.rotation;
DROP TRIGGER from_owner ON {state}.rotation;
DROP TRIGGER from_owner_first ON {state}.rotation;

DROP FUNCTION
    {state}.rotation_kept(), {state}.rotation_from_owner(), {state}.rotation_forget_sets();

-- Created by a rotation of a table that Citus distributes (sql/citus/prepare_nodes.sql).
DROP TABLE IF EXISTS {state}.rotation_two_phase;

DROP FUNCTION IF EXISTS {state}.rotation_new_token(anyelement);
