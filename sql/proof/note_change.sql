-- Purpose: let transactions whose snapshot is older than this one's COMMIT know that the guard now
--          refuses more than they can see.
-- Parameters: set.
SELECT {rotation_note_change}(%(set)s);
