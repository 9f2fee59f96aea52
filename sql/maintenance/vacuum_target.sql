-- Purpose: free the row versions that windows left behind, so that later windows reuse their space.
--          It waits for no lock, and takes none that blocks others, not even at its end.
VACUUM (SKIP_LOCKED, INDEX_CLEANUP ON, TRUNCATE false, PARALLEL 0) {target};
