-- Purpose: free the row versions that windows left behind, so that later windows use their room again.
--          It waits for no lock, and takes none that keeps anybody out, at its end neither.
VACUUM (SKIP_LOCKED, INDEX_CLEANUP ON, TRUNCATE false, PARALLEL 0) {target};
