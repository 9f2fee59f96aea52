"""The brief's domain: a ticket, with the secret token that must be replaced."""

import uuid

from django.db import models

from app.rotation.triggers import TokenGuard


class Ticket(models.Model):
    """A customer's ticket; its token gives access to it."""

    class Status(models.TextChoices):
        """Where the ticket stands."""

        OPEN = "open"
        PENDING = "pending"
        CLOSED = "closed"

    title = models.CharField(max_length=200)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.OPEN)
    token = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "ticket"
        triggers = [TokenGuard("token")]

    def __str__(self) -> str:
        return self.title
