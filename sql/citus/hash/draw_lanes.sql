-- Purpose: draw_lanes.sql for a table distributed by Citus. It reads every key once, on all workers
--          in parallel; a cut's key starts a lane instead of ending one.
-- Parameters: cuts (keys as text, ascending).
-- Columns: lower, upper (first and last key of each lane, in order; none if the table is empty).
SELECT lane.lower::text AS lower, lane.upper::text AS upper
FROM (
    SELECT
        pg_catalog.width_bucket(target.{pk}, %(cuts)s::{pk_type}[]) AS number,
        pg_catalog.min({comparable_key}) AS lower,
        pg_catalog.max({comparable_key}) AS upper
    FROM {target} AS target
    GROUP BY pg_catalog.width_bucket(target.{pk}, %(cuts)s::{pk_type}[])
) AS lane
ORDER BY lane.number;
