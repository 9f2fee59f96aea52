-- Purpose: rebuild an index that the rotation has bloated. Reading and writing go on meanwhile; it waits
--          for the transactions that are older than each of its steps.
REINDEX INDEX CONCURRENTLY {index};
