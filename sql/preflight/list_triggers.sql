-- Purpose: the user-made triggers of a table, and whether they could keep a copy of a token: any that is
--          not known to change at most other columns of the row. Known means PL/pgSQL that runs no
--          statement, reads no table, does not mention the token's column, calls only functions
--          listed here (any other word before a parenthesis may be a function that does anything),
--          and uses only other columns of OLD and NEW: a whole row contains its token. A whole row
--          may be returned, or compared with the other.
-- Parameters: oid, attnum (of the token's column), companions (names of columns that are set with it).
-- Columns: name, function, is_guard (a TokenGuard), each (row or window), fires (for the rotation's
--          UPDATE), may_copy.
SELECT
    trigger_.tgname AS name,
    trigger_.tgfoid::regproc::text AS function,
    function.proname ~ '^rotation_guard_[0-9]+$'
    AND EXISTS (
        SELECT FROM pg_catalog.pg_class AS state
        WHERE state.relnamespace = function.pronamespace
            AND state.relname = 'rotation_revoked'
            AND state.relowner = function.proowner
    ) AS is_guard,
    CASE WHEN trigger_.tgtype::int & 1 <> 0 THEN 'row' ELSE 'window' END AS each,
    trigger_.tgenabled IN ('O', 'A')
    -- The bits of pg_trigger.tgtype, from PostgreSQL's pg_trigger.h: 1 stands for ROW, 16 for UPDATE.
    AND trigger_.tgtype::int & 16 <> 0
    AND (
        trigger_.tgattr::text = ''
        OR column_.attnum = ANY (trigger_.tgattr::int2[])
        OR EXISTS (
            SELECT FROM pg_catalog.pg_attribute AS companion
            WHERE companion.attrelid = trigger_.tgrelid
                AND companion.attname = ANY (%(companions)s::text[])
                AND companion.attnum = ANY (trigger_.tgattr::int2[])
        )
    ) AS fires,
    language.lanname <> 'plpgsql'
    -- What could make this mistake text for code, or code for text: a quote after a backslash, a
    -- comment in a comment, a text between dollars, a name spelled by numbers.
    OR function.prosrc ~* E'\\\\''|/\\*([^*]|\\*+[^*/])*/\\*|\\$\\w*\\$|u&"'
    OR code.plain ~* E'\\m(insert|update|delete|merge|copy|execute|perform|call|notify|raise|dblink)\\M'
    OR code.plain ~* E'\\m(select|from|table)\\M'
    OR code.plain ~* E'\\m(old|new)\\M'
    OR pg_catalog.strpos(
        pg_catalog.lower(function.prosrc),
        pg_catalog.lower(pg_catalog.replace(asked.attname, '"', '""'))
    ) > 0
    OR EXISTS (
        SELECT FROM pg_catalog.regexp_matches(code.called, E'([\\w."$]+)\\s*\\(', 'g') AS word (found)
        WHERE pg_catalog.regexp_replace(pg_catalog.lower(found[1]), E'^pg_catalog\\.', '') NOT IN (
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
CROSS JOIN LATERAL (
    -- Without strings and comments; quoted names stay. Hyphens are counted, because two in a row would
    -- begin a comment here.
    SELECT pg_catalog.regexp_replace(
        function.prosrc,
        E'("([^"]|"")*")|''([^'']|'''')*''|-{{2}}[^\\n\\r]*|/\\*([^*]|\\*+[^*/])*\\*+/',
        E'\\1 ',
        'g'
    ) AS text
) AS uncommented
CROSS JOIN LATERAL (
    SELECT pg_catalog.regexp_replace(uncommented.text, E'\\s*\\.\\s*', '.', 'g') AS called
) AS joined
CROSS JOIN LATERAL (
    -- Without what is harmless: columns of OLD and NEW, then what is compared, then what is returned
    -- (up to a semicolon, which is 3b).
    SELECT
        joined.called,
        pg_catalog.regexp_replace(
            pg_catalog.regexp_replace(
                pg_catalog.regexp_replace(
                    joined.called,
                    E'(\\m(old|new)|"(old|new)")\\.("([^"]|"")*"|[[:alpha:]_][\\w$]*)',
                    ' field ',
                    'gi'
                ),
                E'(\\m(old|new)(\\.\\*)?\\s+)?'
                || E'\\mis\\s+(not\\s+)?distinct\\s+from\\M(\\s+(old|new)\\M(\\.\\*)?)?'
                || E'|\\m(old|new)\\s+is\\s+(not\\s+)?null\\M',
                ' compared ',
                'gi'
            ),
            E'\\mreturn\\s+((old|new)|coalesce\\s*\\(\\s*(old|new)\\s*,\\s*(old|new)\\s*\\))\\s*\\u003b',
            ' returned ',
            'gi'
        ) AS plain
) AS code
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
