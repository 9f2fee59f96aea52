-- Purpose: the bounds of the first rows from a key on that are to be rotated, where the operator's
--          condition excludes others. For the canary.
-- Parameters: lo (the key), upper (the lane's last key), most (keys to look at), size (rows at most).
-- Columns: lo, hi (first and last key of those rows; NULL if there is none), keys (how many they are).
WITH picked AS MATERIALIZED (
    SELECT near.key
    FROM (
        SELECT target.{pk} AS key, ({chosen}) AS chosen
        FROM {target} AS target
        WHERE target.{pk} >= %(lo)s::{pk_type} AND target.{pk} <= %(upper)s::{pk_type}
        ORDER BY target.{pk}
        LIMIT %(most)s
    ) AS near
    WHERE near.chosen
    ORDER BY near.key
    LIMIT %(size)s
)

SELECT
    (SELECT picked.key::text FROM picked ORDER BY picked.key LIMIT 1) AS lo,
    (SELECT picked.key::text FROM picked ORDER BY picked.key DESC LIMIT 1) AS hi,
    (SELECT pg_catalog.count(*) FROM picked) AS keys;
