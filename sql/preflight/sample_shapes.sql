-- Purpose: what the values of a column look like, by counts of some of them. None is returned; what all
--          of at least twenty different ones begin with, up to a separator, is no secret.
-- Parameters: most (rows to look at).
-- Columns: tokens, distinct_tokens, prefix (which they share); shortest, longest (characters, without
--          it); of them, without it, uuids (with hyphens), hex, alnum, base62, urlsafe (of these
--          characters only); hashed (as password hashers write it), signed (JSON web tokens),
--          encrypted (Fernet).
WITH sampled AS MATERIALIZED (
    SELECT target.{column}::text COLLATE "C" AS token
    FROM {target} AS target
    WHERE target.{column}::text <> ''
    LIMIT %(most)s
),

shared AS MATERIALIZED (
    SELECT
        CASE
            WHEN pg_catalog.count(DISTINCT sampled.token) >= 20
                -- UUIDs of version 7 made one after another begin alike: that is no fixed text.
                AND NOT pg_catalog.bool_and(sampled.token ~* '^[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-')
                THEN coalesce(
                    pg_catalog.substring(
                        pg_catalog.left(
                            pg_catalog.min(sampled.token),
                            (
                                SELECT pg_catalog.max(length.n)
                                FROM pg_catalog.generate_series(0, 32) AS length (n)
                                WHERE pg_catalog.left(pg_catalog.min(sampled.token), length.n)
                                    = pg_catalog.left(pg_catalog.max(sampled.token), length.n)
                            )
                        ),
                        '^[0-9A-Za-z_.:-]*[_.:-]'
                    ),
                    ''
                )
            ELSE ''
        END AS prefix
    FROM sampled
),

parted AS (
    SELECT
        sampled.token,
        pg_catalog.substr(sampled.token, pg_catalog.length(shared.prefix) + 1) AS rest,
        shared.prefix
    FROM sampled
    CROSS JOIN shared
)

SELECT
    pg_catalog.count(*) AS tokens,
    pg_catalog.count(DISTINCT token) AS distinct_tokens,
    pg_catalog.min(prefix) AS prefix,
    pg_catalog.min(pg_catalog.length(rest)) AS shortest,
    pg_catalog.max(pg_catalog.length(rest)) AS longest,
    pg_catalog.count(*) FILTER (
        WHERE rest ~* '^[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}$'
    ) AS uuids,
    pg_catalog.count(*) FILTER (WHERE rest ~ '^[0-9a-f]+$') AS hex,
    pg_catalog.count(*) FILTER (WHERE rest ~ '^[0-9a-z]+$') AS alnum,
    pg_catalog.count(*) FILTER (WHERE rest ~ '^[0-9A-Za-z]+$') AS base62,
    pg_catalog.count(*) FILTER (WHERE rest ~ '^[0-9A-Za-z_-]+$') AS urlsafe,
    pg_catalog.count(*) FILTER (
        WHERE token ~ '^(pbkdf2|argon2|bcrypt|scrypt|sha512|sha256|md5)[_0-9a-z]*[$]|^[$](2[aby]|argon2)'
    ) AS hashed,
    pg_catalog.count(*) FILTER (WHERE token ~ '^eyJ[0-9A-Za-z_-]+[.]') AS signed,
    pg_catalog.count(*) FILTER (WHERE token ~ '^gAAAA[0-9A-Za-z_-]{{40,}}=*$') AS encrypted
FROM parted;
