"""An embedded PostgreSQL as a Django database backend, for a machine without a server.

`base` is the backend that Django loads; `server` starts and stops the server itself.
"""
