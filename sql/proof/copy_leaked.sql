-- Purpose: receive a list of leaked tokens. In the binary format, because PostgreSQL quotes no value of
--          it in errors or in its log.
COPY pg_temp.leaked_token (token) FROM STDIN (FORMAT binary);
