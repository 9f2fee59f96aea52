-- Purpose: replace the token of every row of one window. Like rotate_unlocked, rotate_leftovers,
--          rotate_survivors and citus/reference/rotate_window, which also write to the target, it
--          returns no token: none ever leaves the server.
-- Parameters: lo, hi (the window's first and last key); with slices, those of localize_uuid.sql.
UPDATE {target} AS target
SET {window_values}
WHERE {key} BETWEEN %(lo)s::{pk_type} AND %(hi)s::{pk_type}
    AND {chosen};
