-- Purpose: keep the target what it is until COMMIT: a table, which nobody can replace while this lock is
--          held.
-- Columns: none.
SELECT FROM {target} LIMIT 0;
