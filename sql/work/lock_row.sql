-- Purpose: wait for the lock of one row that is left over, as long as a window waits, so that its holder
--          can be named.
-- Parameters: key.
-- Columns: locked (true).
SELECT true AS locked
FROM {target} AS target
WHERE target.{pk} = %(key)s::{pk_type}
FOR UPDATE;
