-- Purpose: the triggers of a table that people made, and whether they could keep a copy of a token: any
--          that fires for the rotation's UPDATE and is not known to change other columns of the row at
--          most. Known is PL/pgSQL that runs no statement, does not speak of the token's column, and
--          calls nothing but functions listed here (what stands before a parenthesis and is none of
--          these words may be a function that does anything).
-- Parameters: oid, attnum (of the token's column).
-- Columns: name, function, is_guard (a TokenGuard), each (row or window), fires (for the rotation's
--          UPDATE), may_copy.
SELECT
    trigger_.tgname AS name,
    trigger_.tgfoid::regproc::text AS function,
    function.prosrc ~ 'rotation_revokes\(' AS is_guard,
    CASE WHEN trigger_.tgtype::int & 1 <> 0 THEN 'row' ELSE 'window' END AS each,
    trigger_.tgenabled IN ('O', 'A')
    -- The bits of pg_trigger.tgtype, from PostgreSQL's pg_trigger.h: 1 stands for ROW, 16 for UPDATE.
    AND trigger_.tgtype::int & 16 <> 0
    AND (
        trigger_.tgattr::text = '' OR column_.attnum = ANY (trigger_.tgattr::int2[])
    ) AS fires,
    language.lanname <> 'plpgsql'
    OR function.prosrc
        ~* '\m(insert|update|delete|merge|copy|execute|perform|call|notify|raise|dblink)\M'
    OR pg_catalog.strpos(pg_catalog.lower(function.prosrc), pg_catalog.lower(asked.attname)) > 0
    OR EXISTS (
        SELECT FROM pg_catalog.regexp_matches(function.prosrc, '([\w."$]+)\s*\(', 'g') AS word (found)
        WHERE pg_catalog.regexp_replace(pg_catalog.lower(found[1]), '^pg_catalog\.', '') NOT IN (
            'if', 'elsif', 'and', 'or', 'not', 'in', 'case', 'when', 'then', 'else', 'return', 'is',
            'char', 'varchar', 'varying', 'numeric', 'time', 'timestamp', 'timestamptz',
            'now', 'clock_timestamp', 'statement_timestamp', 'transaction_timestamp', 'date_trunc',
            'coalesce', 'nullif', 'greatest', 'least', 'lower', 'upper', 'trim', 'btrim', 'ltrim',
            'rtrim', 'length', 'left', 'right', 'substr', 'substring', 'replace', 'concat', 'concat_ws',
            'to_tsvector', 'setweight'
        )
    ) AS may_copy
FROM pg_catalog.pg_trigger AS trigger_
INNER JOIN pg_catalog.pg_proc AS function ON function.oid = trigger_.tgfoid
INNER JOIN pg_catalog.pg_language AS language ON language.oid = function.prolang
INNER JOIN pg_catalog.pg_attribute AS asked
    ON asked.attrelid = %(oid)s::oid AND asked.attnum = %(attnum)s
INNER JOIN pg_catalog.pg_attribute AS column_
    ON column_.attrelid = trigger_.tgrelid AND column_.attname = asked.attname
WHERE trigger_.tgrelid IN (
    SELECT %(oid)s::oid

    UNION ALL

    SELECT relid FROM pg_catalog.pg_partition_tree(%(oid)s::oid::regclass)
)
    AND trigger_.tgparentid = 0
    AND NOT trigger_.tgisinternal
ORDER BY trigger_.tgname;
