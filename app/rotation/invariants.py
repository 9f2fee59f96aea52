"""Triggers that keep the state of rotations consistent, whoever writes to it."""

import pgtrigger

CHECKPOINT_MOVES_FORWARD = pgtrigger.Trigger(
    name="checkpoint_moves_forward",
    when=pgtrigger.Before,
    operation=pgtrigger.Insert | pgtrigger.Update,
    declare=[
        ("kind", "text"),
        ("ordered", "boolean"),
    ],
    func="""
                    IF TG_OP = 'UPDATE' AND (
                        NEW.rotation_id, NEW.lane, NEW.pk_type, NEW.pk_collation, NEW.lower, NEW.upper
                    ) IS DISTINCT FROM (
                        OLD.rotation_id, OLD.lane, OLD.pk_type, OLD.pk_collation, OLD.lower, OLD.upper
                    ) THEN
                        RAISE EXCEPTION 'the bounds of a lane never change';
                    END IF;
                    -- Keys compare as their own type does: '9' comes before '10' in a bigint.
                    -- A name in the catalog may hold anything: it is quoted, and never read as a format.
                    SELECT pg_catalog.concat(
                        '::', pg_catalog.quote_ident(space.nspname),
                        '.', pg_catalog.quote_ident(found.typname)
                    ) INTO STRICT kind
                    FROM pg_catalog.pg_type AS found
                    INNER JOIN pg_catalog.pg_namespace AS space ON space.oid = found.typnamespace
                    WHERE found.oid = NEW.pk_type::regtype::oid;
                    IF NEW.pk_collation <> '' THEN
                        SELECT pg_catalog.concat(
                            kind, ' COLLATE ', pg_catalog.quote_ident(space.nspname),
                            '.', pg_catalog.quote_ident(found.collname)
                        ) INTO STRICT kind
                        FROM pg_catalog.pg_collation AS found
                        INNER JOIN pg_catalog.pg_namespace AS space ON space.oid = found.collnamespace
                        WHERE found.oid = NEW.pk_collation::regcollation::oid;
                    END IF;
                    kind := kind || ')';
                    EXECUTE pg_catalog.concat(
                        'SELECT ($1', kind, ' <= ($2', kind,
                        ' AND ($3 IS NULL OR ($3', kind, ' BETWEEN ($1', kind, ' AND ($2', kind, ')'
                    ) INTO ordered USING NEW.lower, NEW.upper, NEW.last_id;
                    IF ordered IS NOT TRUE THEN
                        RAISE EXCEPTION 'a checkpoint stays within its lane';
                    END IF;
                    IF TG_OP = 'UPDATE' THEN
                        EXECUTE pg_catalog.concat(
                            'SELECT ($2 IS NULL OR coalesce(($1', kind, ' >= ($2', kind, ', false))'
                        ) INTO ordered USING NEW.last_id, OLD.last_id;
                        IF ordered IS NOT TRUE
                            OR (NEW.rows, NEW.windows) IS DISTINCT FROM (
                                greatest(NEW.rows, OLD.rows), greatest(NEW.windows, OLD.windows)
                            )
                        THEN
                            RAISE EXCEPTION 'a checkpoint never moves back';
                        END IF;
                    END IF;
                    RETURN NEW;
                """,
)
SAME_TARGET = pgtrigger.Protect(
    name="same_target",
    operation=pgtrigger.Update,
    condition=pgtrigger.AnyChange(
        *("table_schema", "table_name", "table_oid", "pk_column", "pk_type"),
        *("token_column", "token_attnum", "token_type"),
    ),
)
SAME_BOUNDS = pgtrigger.Protect(
    name="same_bounds",
    operation=pgtrigger.Update,
    condition=pgtrigger.Condition(
        "OLD.status <> 'pending' AND (OLD.floor IS DISTINCT FROM NEW.floor"
        " OR OLD.ceiling IS DISTINCT FROM NEW.ceiling)"
    ),
)
#: An update adds one entry at the end, or none.
STEERING_IS_APPENDED = pgtrigger.Protect(
    name="steering_is_appended",
    operation=pgtrigger.Update,
    condition=pgtrigger.Condition(
        "OLD.steered IS DISTINCT FROM NEW.steered AND OLD.steered IS DISTINCT FROM NEW.steered - (-1)"
    ),
)


def kept_from_truncate() -> pgtrigger.Trigger:
    """A trigger that refuses TRUNCATE, which triggers for rows don't see."""
    return pgtrigger.Trigger(
        name="kept_from_truncate",
        level=pgtrigger.Statement,
        when=pgtrigger.Before,
        operation=pgtrigger.Truncate,
        func="RAISE EXCEPTION 'the state of rotations is kept: % is not truncated', TG_TABLE_NAME;",
    )
