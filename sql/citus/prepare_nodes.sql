-- Purpose: create what rotations of distributed tables need, in the schema of the rotation's state, on
--          every node. A function for new tokens: Citus refuses volatile functions in an UPDATE of a
--          distributed table, so this one is declared immutable, but takes the row's key, so it is
--          still called for every row. And an empty distributed table: a window that writes to it
--          commits in two phases, with the checkpoint on the coordinator, even if all its rows are
--          on one other node.
-- Parameters: state (that schema).
CREATE OR REPLACE FUNCTION {rotation_new_token} (key anyelement) RETURNS uuid
LANGUAGE sql IMMUTABLE AS 'SELECT pg_catalog.gen_random_uuid()';

REVOKE EXECUTE ON FUNCTION {rotation_new_token}(anyelement) FROM PUBLIC;

CREATE TABLE IF NOT EXISTS {rotation_two_phase} ();

SELECT pg_catalog.create_distributed_function(
    (pg_catalog.quote_ident(%(state)s) || '.' || named.signature)::regprocedure
)
FROM (
    VALUES
    ('rotation_new_token(anyelement)'), ('rotation_hash(uuid, bigint)'), ('rotation_hash(text, bigint)')
) AS named (signature);

SELECT pg_catalog.citus_add_local_table_to_metadata(
    (pg_catalog.quote_ident(%(state)s) || '.rotation_two_phase')::regclass
);
