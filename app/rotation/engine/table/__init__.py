"""The table that is rotated: found in the catalog, measured, cut into lanes and windows.

What is done differently where Citus distributes the table is here, too.
Everything above imports from here; it knows db only.
"""
