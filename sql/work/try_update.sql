-- Purpose: give a row a new token as the application would. For the canary. Writes to
--          the target; rolled back.
-- Parameters: key (of the row).
-- Columns: revoked (false); no row if none was changed.
UPDATE {target} AS target
SET {new_values}
WHERE {key} = %(key)s::{pk_type}
RETURNING false AS revoked;
