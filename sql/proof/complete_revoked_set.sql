-- Purpose: complete a rotation's set of revoked tokens: it is indexed, and the guard refuses what is in
--          it. Every statement that starts after this transaction's COMMIT sees the set.
-- Parameters: rotation, taken (how many tokens the snapshot has put into it).
-- Columns: revoked, the number of hashes that the set must hold from now on.
SELECT {rotation_complete_set}(%(rotation)s::bigint, %(taken)s::bigint) AS revoked;
