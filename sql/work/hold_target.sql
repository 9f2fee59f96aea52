-- Purpose: keep the target what it is until COMMIT: nobody can replace it, or add a trigger or a foreign
--          key, while the lock is held that every UPDATE takes. This one is not executed, nor planned,
--          which could call functions in another table's indexes: it needs no more than the lock.
-- Columns: none.
PREPARE rotation_hold AS UPDATE {target} SET {column} = {column};

DEALLOCATE rotation_hold;
