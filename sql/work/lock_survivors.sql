-- Purpose: lock rows that hold a revoked token until COMMIT, found by value and from the heap, and put
--          them on the list of rows left over by the keys that they have now: whoever keeps changing
--          a row's key would otherwise be ahead of a list that was made before. Rows that can't be
--          updated are passed over.
-- Parameters: lane_id, set, salt, size (how many at most); {if_locked}, what to do about a row that
--          another session holds: SKIP LOCKED, or nothing to wait for it.
-- Columns: id (of the entry), key.
WITH held AS MATERIALIZED (
    SELECT target.{pk} AS key
    FROM {target} AS target
    WHERE target.{column} IS NOT NULL
        AND EXISTS (
            SELECT FROM {rotation_revoked} AS revoked
            WHERE revoked.set_id = %(set)s
                AND revoked.hash = {rotation_hash}({token}, %(salt)s::bigint)
        )
        AND NOT EXISTS (
            SELECT FROM {rotation_leftover} AS failed
            WHERE failed.lane_id = %(lane_id)s
                AND failed.key = target.{pk}::text
                AND failed.rotated_at IS NULL
                AND failed.failure <> ''
        )
    LIMIT %(size)s
    FOR UPDATE OF target {if_locked}
)

INSERT INTO {rotation_leftover} AS leftover (lane_id, key, survivor, held_by)
-- Two keys with one hash would be one entry: the second one's turn comes later.
SELECT DISTINCT ON (pg_catalog.hashtextextended(held.key::text COLLATE "C", 0))
    %(lane_id)s, held.key::text, true, ''
FROM held
ON CONFLICT (lane_id, pg_catalog.hashtextextended(key COLLATE "C", 0)) WHERE rotated_at IS NULL
DO UPDATE SET key = excluded.key, failure = ''
RETURNING leftover.id, leftover.key;
