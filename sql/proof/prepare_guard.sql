-- Purpose: make the function of a column's guard.
-- Parameters: oid (of the table), attnum (of the column), name (of the trigger on UPDATE).
-- Columns: statement, one after the other: what the table's owner runs to install it.
SELECT statement
FROM {rotation_prepare_guard}(%(oid)s::oid, %(attnum)s::smallint, %(name)s::text) AS statement;
