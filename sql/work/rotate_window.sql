-- Purpose: replace the token of every row of one window. The one statement that writes to the
--          target table. It returns no row: no token ever leaves the server.
-- Parameters: lo, hi (the window's first and last key).
UPDATE {target} AS target
SET {column} = {new_token}
WHERE {key} BETWEEN %(lo)s::{pk_type} AND %(hi)s::{pk_type}
    AND target.{column} IS NOT NULL;
