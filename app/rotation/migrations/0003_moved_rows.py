"""The set of revoked tokens: whole although keys move under the snapshot, and sound elsewhere too."""

import importlib

from django.db import migrations, models

revocation = importlib.import_module("app.rotation.migrations.0002_revocation")

# {state} is the schema of the rotation's state.
MOVED_ROWS = r"""
-- Hashes of tokens whose row changed its key while a snapshot was read: it might pass the snapshot by.
CREATE TABLE {state}.rotation_moved (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,  -- a publication of all tables asks for one
    rotation_id bigint NOT NULL,
    hash bigint NOT NULL
);

-- Rotations of a guarded column, the latest last.
CREATE FUNCTION {state}.rotation_of_column(guarded oid, guarded_column text)
RETURNS SETOF {state}.rotation
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT known.*
    FROM {state}.rotation AS known
    INNER JOIN pg_class AS relation ON relation.oid = coalesce(pg_partition_root(guarded), guarded)
    INNER JOIN pg_attribute AS attribute
        ON attribute.attrelid = relation.oid AND attribute.attname = guarded_column
    WHERE (known.table_oid = relation.oid::bigint AND known.token_attnum = attribute.attnum)
        OR (known.table_schema, known.table_name, known.token_column)
            = (relation.relnamespace::regnamespace::text, relation.relname, guarded_column)
    ORDER BY known.id
$$;

-- The system whose transaction rotation_revoked_since names: a copy of the database elsewhere counts
-- its transactions anew.
CREATE SEQUENCE {state}.rotation_revoked_system MINVALUE -9223372036854775808;

-- From this transaction on the guard knows more than before.
CREATE FUNCTION {state}.rotation_note_change() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM setval('{state}.rotation_revoked_since', pg_current_xact_id()::text::bigint),
        setval('{state}.rotation_revoked_system', system_identifier)
    FROM pg_control_system();
END;
$$;

-- A transaction whose view of the database is older than that would look in vain: it begins again.
CREATE FUNCTION {state}.rotation_require_view() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' AND NOT pg_visible_in_snapshot(
        (SELECT last_value FROM {state}.rotation_revoked_since)::text::xid8, pg_current_snapshot()
    ) AND (
        SELECT known.last_value = own.system_identifier
        FROM {state}.rotation_revoked_system AS known, pg_control_system() AS own
    ) THEN
        RAISE serialization_failure USING
            MESSAGE = 'tokens were revoked since this transaction began',
            HINT = 'Begin the transaction again.';
    END IF;
END;
$$;

-- Whether a token of a column was revoked. A rotation that was given up counts as soon as a later one
-- has revoked what it left: before that its rows still hold valid old tokens. For the guard: it
-- runs with its owner's rights, and answers yes or no.
CREATE OR REPLACE FUNCTION {state}.rotation_revokes(
    guarded oid, guarded_column text, token anyelement
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    rotation record;
BEGIN
    PERFORM {state}.rotation_require_view();
    FOR rotation IN
        SELECT known.id, known.salt
        FROM (
            SELECT *, max(id) FILTER (WHERE status <> 'cancelled') OVER () AS latest
            FROM {state}.rotation_of_column(guarded, guarded_column)
            WHERE revoked IS NOT NULL
        ) AS known
        WHERE known.status <> 'cancelled' OR known.id < known.latest
    LOOP
        IF EXISTS (
            SELECT FROM {state}.rotation_revoked AS revoked
            WHERE revoked.rotation_id = rotation.id
                AND revoked.hash = {state}.rotation_hash(token, rotation.salt)
        ) THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN false;
END;
$$;

-- For the guard, when a row changes its key: keep its token's hash if a snapshot is under way, and let the
-- INSERT pass by which PostgreSQL moves the row to another partition.
CREATE FUNCTION {state}.rotation_moves(
    guarded oid, guarded_column text, token anyelement, new_key text
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM {state}.rotation_require_view();
    INSERT INTO {state}.rotation_moved (rotation_id, hash)
    SELECT known.id, {state}.rotation_hash(token, known.salt)
    FROM {state}.rotation_of_column(guarded, guarded_column) AS known
    WHERE known.revoked IS NULL
        AND known.status NOT IN ('cancelled', 'succeeded')
        AND known.salt IS NOT NULL
        AND token IS NOT NULL;
    PERFORM set_config('rotation.moving', guarded_column || ' ' || new_key, true);
END;
$$;

-- For the guard, when a row is inserted: whether it comes from another partition in this transaction.
CREATE FUNCTION {state}.rotation_is_moving(guarded_column text, new_key text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF current_setting('rotation.moving', true) = guarded_column || ' ' || new_key THEN
        PERFORM set_config('rotation.moving', '', true);
        RETURN true;
    END IF;
    RETURN false;
END;
$$;

-- Make the partition of a rotation. It is attached, because that waits for no reader of the set. From
-- then on tokens of rows that move are kept: whoever can't see that begins again.
CREATE OR REPLACE FUNCTION {state}.rotation_open_revoked(rotation bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    part text := '{state}.rotation_revoked_' || rotation;
BEGIN
    IF EXISTS (SELECT FROM {state}.rotation AS known WHERE known.id = rotation)
        AND to_regclass(part) IS NULL
    THEN
        EXECUTE 'CREATE TABLE ' || part || ' (LIKE {state}.rotation_revoked)';
        EXECUTE 'CREATE TRIGGER kept_from_truncate BEFORE TRUNCATE ON ' || part
            || ' FOR EACH STATEMENT EXECUTE FUNCTION {state}.rotation_kept()';
        EXECUTE 'ALTER TABLE {state}.rotation_revoked ATTACH PARTITION ' || part
            || ' FOR VALUES IN (' || rotation || ')';
        PERFORM {state}.rotation_note_change();
    END IF;
END;
$$;

DROP FUNCTION {state}.rotation_close_revoked(bigint);

-- Index the set of a rotation, with the tokens of rows that moved meanwhile, and let REPEATABLE READ
-- transactions that can't see it know of it. Returns how many of those tokens there were.
CREATE FUNCTION {state}.rotation_close_revoked(rotation bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    moved bigint;
BEGIN
    WITH taken AS (
        DELETE FROM {state}.rotation_moved WHERE rotation_id = rotation RETURNING hash
    )
    INSERT INTO {state}.rotation_revoked (rotation_id, hash) SELECT rotation, hash FROM taken;
    GET DIAGNOSTICS moved = ROW_COUNT;
    EXECUTE 'CREATE INDEX IF NOT EXISTS rotation_revoked_' || rotation || '_hash'
        || ' ON {state}.rotation_revoked_' || rotation || ' (hash)';
    -- Without statistics the planner takes the set for a handful of rows, and compares each with each.
    EXECUTE 'ANALYZE {state}.rotation_revoked_' || rotation;
    PERFORM {state}.rotation_note_change();
    RETURN moved;
END;
$$;

-- What moves or fills the set is for those who run rotations, and for the guard's functions.
REVOKE EXECUTE ON FUNCTION
    {state}.rotation_open_revoked(bigint),
    {state}.rotation_close_revoked(bigint),
    {state}.rotation_note_change(),
    {state}.rotation_of_column(oid, text)
FROM PUBLIC;
"""

WITHOUT_MOVED_ROWS = (
    r"""
DROP FUNCTION {state}.rotation_close_revoked(bigint);
"""
    + "".join(
        revocation.REVOKED_SET[start : revocation.REVOKED_SET.index("$$;", start) + 3].replace(
            "CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"
        )
        for name in ("rotation_open_revoked", "rotation_close_revoked", "rotation_revokes")
        for start in [revocation.REVOKED_SET.index("CREATE FUNCTION {state}." + name)]
    )
    + r"""
GRANT EXECUTE ON FUNCTION {state}.rotation_open_revoked(bigint) TO PUBLIC;
DROP FUNCTION {state}.rotation_is_moving(text, text);
DROP FUNCTION {state}.rotation_moves(oid, text, anyelement, text);
DROP FUNCTION {state}.rotation_require_view();
DROP FUNCTION {state}.rotation_note_change();
DROP FUNCTION {state}.rotation_of_column(oid, text);
DROP SEQUENCE {state}.rotation_revoked_system;
DROP TABLE {state}.rotation_moved;
"""
)


class Migration(migrations.Migration):

    dependencies = [
        ('rotation', '0002_revocation'),
    ]

    operations = [
        migrations.AlterField(
            model_name='rotation',
            name='leaked',
            field=models.BigIntegerField(db_default=0, help_text='hashes added to the snapshot: from lists, and of rows that moved'),
        ),
        migrations.AlterField(
            model_name='rotation',
            name='touched_at',
            field=models.DateTimeField(help_text='last sign of life; NULL: left by all', null=True),
        ),
        migrations.RunPython(
            revocation.in_the_state(MOVED_ROWS), revocation.in_the_state(WITHOUT_MOVED_ROWS)
        ),
    ]
