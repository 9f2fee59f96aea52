"""The set of revoked tokens for its owner only; rows with two guarded columns move."""

import importlib

from django.db import migrations

revocation = importlib.import_module("app.rotation.migrations.0002_revocation")
moved_rows = importlib.import_module("app.rotation.migrations.0003_moved_rows")

# {state} is the schema of the rotation's state.
KEPT_APART = r"""
-- For the guard, when a row changes its key: keep its token's hash if a snapshot is under way, and let the
-- INSERT pass by which PostgreSQL moves the row to another partition. rotation.moving lists what moves:
-- of each column of the row a digest of its name and the row's new key.
CREATE OR REPLACE FUNCTION {state}.rotation_moves(
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
    PERFORM set_config(
        'rotation.moving',
        right(
            coalesce(current_setting('rotation.moving', true), '')
            || md5(guarded_column || ' ' || new_key),
            8 * 32  -- of eight columns: that of a row that stays in its partition is of no use later
        ),
        true
    );
END;
$$;

-- For the guard, when a row is inserted: whether it comes from another partition in this transaction.
CREATE OR REPLACE FUNCTION {state}.rotation_is_moving(guarded_column text, new_key text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    moving text := current_setting('rotation.moving', true);
    entry text := md5(guarded_column || ' ' || new_key);
BEGIN
    IF strpos(moving, entry) > 0 THEN
        PERFORM set_config('rotation.moving', replace(moving, entry, ''), true);
        RETURN true;
    END IF;
    RETURN false;
END;
$$;

-- Take a table from all but its owner: default privileges may have given it away.
CREATE FUNCTION {state}.rotation_keep_to_owner(kept regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    other record;
BEGIN
    FOR other IN
        SELECT DISTINCT privilege.grantee
        FROM pg_class AS relation
        CROSS JOIN LATERAL aclexplode(relation.relacl) AS privilege
        WHERE relation.oid = kept AND privilege.grantee <> relation.relowner
    LOOP
        EXECUTE format(
            'REVOKE ALL ON %s FROM %s',
            kept,
            CASE other.grantee WHEN 0 THEN 'PUBLIC' ELSE other.grantee::regrole::text END
        );
    END LOOP;
END;
$$;

REVOKE EXECUTE ON FUNCTION {state}.rotation_keep_to_owner(regclass) FROM PUBLIC;

-- Make the partition of a rotation. It is attached, because that waits for no reader of the set. From
-- then on tokens of rows that move are kept: whoever can't see that begins again. Whoever runs rotations
-- reaches it by way of rotation_revoked.
CREATE OR REPLACE FUNCTION {state}.rotation_open_revoked(rotation bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    part text := '{state}.rotation_revoked_' || rotation;
BEGIN
    IF EXISTS (SELECT FROM {state}.rotation AS known WHERE known.id = rotation)
        AND to_regclass(part) IS NULL
    THEN
        EXECUTE 'CREATE TABLE ' || part || ' (LIKE {state}.rotation_revoked)';
        PERFORM {state}.rotation_keep_to_owner(part::regclass);
        EXECUTE 'CREATE TRIGGER kept_from_truncate BEFORE TRUNCATE ON ' || part
            || ' FOR EACH STATEMENT EXECUTE FUNCTION {state}.rotation_kept()';
        EXECUTE 'ALTER TABLE {state}.rotation_revoked ATTACH PARTITION ' || part
            || ' FOR VALUES IN (' || rotation || ')';
        PERFORM {state}.rotation_note_change();
    END IF;
END;
$$;

-- What was made before. Of rotation_revoked itself only default privileges are taken away: who runs
-- rotations was granted SELECT and INSERT.
DO $$
DECLARE
    other record;
BEGIN
    FOR other IN
        SELECT DISTINCT privilege.grantee
        FROM pg_class AS relation
        INNER JOIN pg_default_acl AS standard
            ON standard.defaclrole = relation.relowner AND standard.defaclobjtype = 'r'
        CROSS JOIN LATERAL aclexplode(standard.defaclacl) AS privilege
        WHERE relation.oid = '{state}.rotation_revoked'::regclass
            AND privilege.grantee <> relation.relowner
    LOOP
        EXECUTE format(
            'REVOKE ALL ON {state}.rotation_revoked FROM %s',
            CASE other.grantee WHEN 0 THEN 'PUBLIC' ELSE other.grantee::regrole::text END
        );
    END LOOP;
    PERFORM {state}.rotation_keep_to_owner(inhrelid::regclass)
    FROM pg_inherits
    WHERE inhparent = '{state}.rotation_revoked'::regclass;
    PERFORM {state}.rotation_keep_to_owner('{state}.rotation_moved'::regclass);
END;
$$;
"""

NOT_KEPT_APART = (
    "".join(
        moved_rows.MOVED_ROWS[start : moved_rows.MOVED_ROWS.index("$$;", start) + 3].replace(
            "CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"
        )
        for begins in (
            "CREATE FUNCTION {state}.rotation_moves",
            "CREATE FUNCTION {state}.rotation_is_moving",
            "CREATE OR REPLACE FUNCTION {state}.rotation_open_revoked",
        )
        for start in [moved_rows.MOVED_ROWS.index(begins)]
    )
    + r"""
DROP FUNCTION {state}.rotation_keep_to_owner(regclass);
"""
)


class Migration(migrations.Migration):

    dependencies = [
        ('rotation', '0006_names'),
    ]

    operations = [
        migrations.RunPython(
            revocation.in_the_state(KEPT_APART), revocation.in_the_state(NOT_KEPT_APART)
        ),
    ]
