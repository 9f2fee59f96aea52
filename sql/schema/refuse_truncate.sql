-- Purpose: the body of the trigger function on each table of the rotation's state, which
--          django-pgtrigger creates: it refuses TRUNCATE, which row triggers don't see.
RAISE EXCEPTION 'TRUNCATE not allowed on %: rotation state is kept', TG_TABLE_NAME;
