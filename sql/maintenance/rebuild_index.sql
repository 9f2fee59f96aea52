-- Purpose: rebuild an index that the rotation has bloated. Reads and writes continue meanwhile; it waits
--          for the transactions that are older than each of its steps.
REINDEX INDEX CONCURRENTLY {index};
