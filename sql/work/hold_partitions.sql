-- Purpose: hold_target.sql for the partitions in which a window's rows are. Planning the UPDATE locks
--          them; it is not executed.
-- Parameters: lo, hi (the window's first and last key; NULL for all partitions).
EXPLAIN UPDATE {target} AS target
SET {column} = target.{column}
WHERE (%(lo)s IS NULL AND %(hi)s IS NULL)
    OR {key} BETWEEN %(lo)s::{pk_type} AND %(hi)s::{pk_type};
