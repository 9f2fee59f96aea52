-- Purpose: the body of the function of a trigger on each table of the rotation's state, which
--          django-pgtrigger makes: TRUNCATE, which triggers for rows don't see, is refused.
RAISE EXCEPTION 'the state of rotations is kept: % is not truncated', TG_TABLE_NAME;
