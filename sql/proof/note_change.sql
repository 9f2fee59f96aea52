-- Purpose: let transactions whose view of the database is older than this one's COMMIT know that the
--          guard refuses more now than they can see.
-- Parameters: set.
SELECT {rotation_note_change}(%(set)s);
