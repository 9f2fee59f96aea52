-- Purpose: whether this node of a Citus cluster is the coordinator, where the rotation's state is.
-- Columns: here.
SELECT EXISTS (SELECT FROM pg_catalog.pg_dist_local_group WHERE groupid = 0) AS here;
