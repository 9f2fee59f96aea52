-- Purpose: keep what the target's name means until the end of this transaction: nobody can rename or
--          replace the table while the lock is held that every query takes. This one is not executed,
--          nor planned, which could call functions in the indexes of a table that was put in its place.
-- Columns: none.
PREPARE rotation_read AS SELECT FROM {target};

DEALLOCATE rotation_read;
