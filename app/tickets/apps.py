"""The Django app of the brief's domain."""

from django.apps import AppConfig


class TicketsConfig(AppConfig):
    """Tickets whose secret token leaked."""

    name = "app.tickets"
    label = "tickets"
