"""The table being rotated: finding it in the catalog, measuring it, cutting it into lanes and windows.

What is done differently for tables distributed by Citus is here too.
Everything above imports from here; it knows db only.
"""
