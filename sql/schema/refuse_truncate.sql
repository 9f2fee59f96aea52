-- Purpose: the body of the trigger function on each table of the rotation's state, which
--          django-pgtrigger creates: it refuses TRUNCATE of what the table holds, which row triggers
--          don't see. Django's tests flush their database, whose name says what it is.
IF pg_catalog.starts_with(pg_catalog.current_database()::text, 'test_') THEN
    RETURN NULL;
END IF;
EXECUTE pg_catalog.concat('SELECT EXISTS (SELECT FROM ', TG_RELID::pg_catalog.regclass, ')') INTO holds;
IF holds THEN
    RAISE EXCEPTION 'TRUNCATE not allowed on %: it holds what rotations have done, and what keeps revoked '
        'tokens out; to remove all of that, migrate rotation zero', TG_TABLE_NAME;
END IF;
RETURN NULL;
