-- Purpose: whether another column of the row is computed from a token, by counts.
-- Parameters: most (rows to look at).
-- Columns: rows; different (values of the other column); md5, sha256, sha512 (in hexadecimal digits),
--          first, last (characters), each the number of rows in which it is that; shortest, longest
--          (characters).
SELECT
    pg_catalog.count(*) AS rows,
    pg_catalog.count(DISTINCT pair.beside) AS different,
    pg_catalog.count(*) FILTER (WHERE pair.beside = pg_catalog.md5(pair.token)) AS md5,
    pg_catalog.count(*) FILTER (
        WHERE pair.beside = pg_catalog.encode(pg_catalog.sha256(pair.bytes), 'hex')
    ) AS sha256,
    pg_catalog.count(*) FILTER (
        WHERE pair.beside = pg_catalog.encode(pg_catalog.sha512(pair.bytes), 'hex')
    ) AS sha512,
    pg_catalog.count(*) FILTER (
        WHERE pair.beside = pg_catalog.left(pair.token, pg_catalog.length(pair.beside))
    ) AS first,
    pg_catalog.count(*) FILTER (
        WHERE pair.beside = pg_catalog.right(pair.token, pg_catalog.length(pair.beside))
    ) AS last,
    pg_catalog.min(pg_catalog.length(pair.beside)) AS shortest,
    pg_catalog.max(pg_catalog.length(pair.beside)) AS longest
FROM (
    SELECT
        target.{column}::text COLLATE "C" AS token,
        pg_catalog.convert_to(target.{column}::text, 'UTF8') AS bytes,
        target.{beside}::text COLLATE "C" AS beside
    FROM {target} AS target
    WHERE target.{column}::text <> '' AND target.{beside}::text <> ''
    LIMIT %(most)s
) AS pair;
