-- Purpose: the expression of a new token by --format: its text around characters of the alphabet, each
--          as likely as any other: base64 without the characters that are not in it, or hexadecimal
--          digits. It fills {new_token}.
{token_prefix} || pg_catalog.left(
    pg_catalog.translate(
        pg_catalog.encode({random_bytes}, {encoding}), {replaced}, {replacing}
    ),
    {random_length}
) || {token_suffix}
