-- Purpose: receive a list of leaked tokens. In the binary format, because of that one PostgreSQL quotes
--          no value in an error or in its log.
COPY pg_temp.leaked_token (token) FROM STDIN (FORMAT binary);
