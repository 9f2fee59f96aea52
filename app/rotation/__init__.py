"""Rotates every token of a live PostgreSQL table, and proves that none survives.

Hosts import `triggers.TokenGuard` and `web.metrics`, and include what Django finds by itself (models,
migrations, commands, admin); the rest is internal.
Rooms from the top down: management, admin, web, operations, engine, models. Each imports from those
below it only.
"""
