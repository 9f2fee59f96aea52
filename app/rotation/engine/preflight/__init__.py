"""What must be true before anything is written: of the server, the table, its indexes, its copies.

Each finding refuses, warns or notes; nothing here writes to the database.
Runner, operations and the tickets' samples import from here.
"""
