-- Purpose: name_survivors.sql for a table distributed by Citus.
-- Parameters: set, salt, most (how many).
-- Columns: key.
SELECT pg_catalog.set_config('citus.max_intermediate_result_size', '-1', true);

WITH present AS MATERIALIZED (
    SELECT target.{pk} AS key, {rotation_hash}({token}, %(salt)s::bigint) AS hash
    FROM {target} AS target
    WHERE target.{column} IS NOT NULL
)

SELECT present.key::text AS key
FROM present
WHERE EXISTS (
    SELECT FROM {rotation_revoked} AS revoked
    WHERE revoked.set_id = %(set)s AND revoked.hash = present.hash
)
ORDER BY present.key
LIMIT %(most)s;
