-- Purpose: drop what a rebuild that was broken off left behind: an INVALID index, used by no query, to
--          which every write goes all the same.
DROP INDEX CONCURRENTLY IF EXISTS {index};
