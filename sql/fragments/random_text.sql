-- Purpose: the expression of the random part of a new token by --format: characters of the alphabet,
--          each as likely as any other: base64 without the characters that are not in it, or
--          hexadecimal digits. It is part of {new_token}.
pg_catalog.left(
    pg_catalog.translate(
        pg_catalog.encode({random_bytes}, {encoding}), {replaced}, {replacing}
    ),
    {random_length}
)
