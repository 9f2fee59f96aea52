-- Purpose: drop what an aborted rebuild left behind: an INVALID index that no query uses, but that
--          every write still updates.
DROP INDEX CONCURRENTLY IF EXISTS {index};
