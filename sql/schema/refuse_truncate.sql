-- Purpose: the body of the trigger function on each table of the rotation's state, which
--          django-pgtrigger creates: it refuses TRUNCATE, which row triggers don't see.
RAISE EXCEPTION 'the state of rotations is kept: % is not truncated', TG_TABLE_NAME;
