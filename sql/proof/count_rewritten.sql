-- Purpose: how many tables were emptied or rewritten (TRUNCATE, ALTER TABLE) since this transaction's
--          snapshot, in which they seem empty; or were not read at all, as former inheritance children.
--          What was read is locked until the end of the transaction.
-- Parameters: read (oids of tables).
-- Columns: rewritten.
SELECT pg_catalog.count(*) AS rewritten
FROM pg_catalog.pg_class AS part
WHERE part.relkind = 'r'
    AND part.oid = ANY (%(read)s::bigint[]::oid[])
    AND (
        part.relfilenode IS DISTINCT FROM pg_catalog.pg_relation_filenode(part.oid)
        OR NOT EXISTS (
            SELECT FROM pg_catalog.pg_locks AS held
            WHERE held.locktype = 'relation'
                AND held.relation = part.oid
                AND held.pid = pg_catalog.pg_backend_pid()
                AND held.database = (
                    SELECT this.oid
                    FROM pg_catalog.pg_database AS this
                    WHERE this.datname = pg_catalog.current_database()
                )
        )
    );
