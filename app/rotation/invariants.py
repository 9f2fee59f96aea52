"""Triggers that keep the state of rotations consistent, whoever writes to it."""

import pgtrigger

CHECKPOINT_MOVES_FORWARD = pgtrigger.Trigger(
    name="checkpoint_moves_forward",
    when=pgtrigger.Before,
    operation=pgtrigger.Insert | pgtrigger.Update,
    declare=[
        ("key", "text"),
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
                    key := '($%s::' || NEW.pk_type::regtype || ')';
                    IF NEW.pk_collation <> '' THEN
                        key := '(' || key || ' COLLATE ' || NEW.pk_collation::regcollation || ')';
                    END IF;
                    EXECUTE pg_catalog.concat(
                        'SELECT ', pg_catalog.format(key, 1), ' <= ', pg_catalog.format(key, 2),
                        ' AND ($3 IS NULL OR ', pg_catalog.format(key, 3),
                        ' BETWEEN ', pg_catalog.format(key, 1), ' AND ', pg_catalog.format(key, 2), ')',
                        ' AND ($4 IS NULL OR ', pg_catalog.format(key, 4),
                        ' BETWEEN ', pg_catalog.format(key, 1), ' AND ', pg_catalog.format(key, 2), ')'
                    ) INTO ordered USING NEW.lower, NEW.upper, NEW.last_id, NEW.snapshot_id;
                    IF ordered IS NOT TRUE THEN
                        RAISE EXCEPTION 'a checkpoint stays within its lane';
                    END IF;
                    IF TG_OP = 'UPDATE' THEN
                        EXECUTE pg_catalog.concat(
                            'SELECT ($2 IS NULL OR coalesce(',
                            pg_catalog.format(key, 1), ' >= ', pg_catalog.format(key, 2), ', false))',
                            ' AND ($4 IS NULL OR coalesce(',
                            pg_catalog.format(key, 3), ' >= ', pg_catalog.format(key, 4), ', false))'
                        ) INTO ordered
                        USING NEW.last_id, OLD.last_id, NEW.snapshot_id, OLD.snapshot_id;
                        IF ordered IS NOT TRUE
                            OR (NEW.rows, NEW.windows, NEW.tokens) IS DISTINCT FROM (
                                greatest(NEW.rows, OLD.rows),
                                greatest(NEW.windows, OLD.windows),
                                greatest(NEW.tokens, OLD.tokens)
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
        *("token_column", "token_attnum"),
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
