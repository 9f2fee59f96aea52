-- Purpose: count_survivors.sql for a table distributed by Citus. The workers hash every token, and the
--          hashes come here, where the revoked set is. Each shard is read in its own snapshot.
-- Parameters: set, salt.
-- Columns: survivors.
SELECT pg_catalog.set_config('citus.max_intermediate_result_size', '-1', true);

WITH present AS MATERIALIZED (
    SELECT {rotation_hash}({token}, %(salt)s::bigint) AS hash
    FROM {target} AS target
    WHERE target.{column} IS NOT NULL
)

SELECT pg_catalog.count(*) AS survivors
FROM present
WHERE EXISTS (
    SELECT FROM {rotation_revoked} AS revoked
    WHERE revoked.set_id = %(set)s AND revoked.hash = present.hash
);
