"""Django's page of an error (DEBUG=1), without what is secret here."""

import os
from urllib.parse import quote, unquote, urlsplit

from django.conf import settings
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.views.debug import ExceptionReporter

HIDDEN = "********"


def secrets() -> set[str]:
    """Every spelling of a password, or of the key for signing, that a page could show."""
    found = {str(settings.SECRET_KEY), os.environ.get("PGPASSWORD", "")}
    for one in settings.DATABASES.values():
        its = {"PASSWORD": one.get("PASSWORD"), **one.get("OPTIONS", {})}
        found |= {str(value or "") for name, value in its.items() if "password" in name.lower()}
    for name, url in os.environ.items():
        if name.startswith("DATABASE_URL"):
            found.add(urlsplit(url).password or "")
    found |= {change(one) for one in found for change in (quote, unquote)}
    for _ in range(3):  # a connection's parameters, of which a text is printed, on a page
        found |= {change(one) for one in found for change in (for_libpq, inside_quotes, escape)}
    return found - {""}


def for_libpq(text: str) -> str:
    """As a value is written in libpq's connection strings."""
    return text.replace("\\", "\\\\").replace("'", "\\'")


def inside_quotes(text: str) -> str:
    """As Python prints it, without the quotes."""
    return repr(text)[1:-1]


class Reporter(ExceptionReporter):
    """Hides them wherever they are: in settings, in the environment, in variables of a function."""

    def get_traceback_html(self) -> SafeString:
        """Return the page."""
        return hide(super().get_traceback_html())

    def get_traceback_text(self) -> SafeString:
        """Return the same as text, for a mail or a program."""
        return hide(super().get_traceback_text())


def hide(text: str) -> SafeString:
    """The text without secrets, the longest first."""
    for secret in sorted(secrets(), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return mark_safe(text)  # noqa: S308 (it was, and no mark-up was added)
