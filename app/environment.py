"""What the environment says. A mistake is told in one line that names its variable, never a password."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import dj_database_url
import psycopg2
from django.core.exceptions import ImproperlyConfigured
from psycopg2.extensions import make_dsn

VARIABLE = "DATABASE_URL"
EXPECTED = (
    "write postgres://user:password@host:5432/dbname, with other characters than letters and digits in"
    " the password as %XX"
)
SCHEMES = ("postgres", "postgresql", "pgsql")
#: What dj_database_url makes of an option that libpq does not know.
OUR_OPTIONS = {"currentSchema"}
EMBEDDED = {"ENGINE": "app.localpg", "NAME": "app"}


class Secret(str):
    """A text that no representation shows, e.g. that of manage.py diffsettings."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'********'"


def read_databases(environment: Mapping[str, str]) -> dict[str, Any]:
    """Django's DATABASES: of DATABASE_URL, else the embedded server; and of each DATABASE_URL_NAME.

    Raises ImproperlyConfigured for what can't be used.
    """
    found = {
        "default": read_url(VARIABLE, environment[VARIABLE]) if VARIABLE in environment else EMBEDDED
    }
    named: dict[str, str] = {}
    for variable, url in environment.items():
        if not variable.startswith(f"{VARIABLE}_"):
            continue
        name = variable.removeprefix(f"{VARIABLE}_").lower()
        if name in ("", "default"):
            raise ImproperlyConfigured(
                f"{variable}: the default database is {VARIABLE}; unset {variable}"
            )
        if name in named:
            raise ImproperlyConfigured(f"{variable}: {named[name]} names the same database; unset one")
        named[name] = variable
        found[name] = read_url(variable, url)
    return found


def read_url(variable: str, url: str) -> dict[str, Any]:
    """One database of Django's settings. Raises ImproperlyConfigured, with the variable and the part."""
    for mistake in find_mistakes(url):
        raise ImproperlyConfigured(f"{variable} can't be used: {mistake}")
    try:
        found: dict[str, Any] = dict(dj_database_url.parse(url))
    except ValueError:  # its message would show the password
        raise ImproperlyConfigured(f"{variable} can't be read: {EXPECTED}") from None
    given: dict[str, Any] = found.get("OPTIONS") or {}
    options = {name: Secret(one) if "password" in name else one for name, one in given.items()}
    return found | {"PASSWORD": Secret(found.get("PASSWORD") or ""), "OPTIONS": options}


def find_mistakes(url: str) -> Iterator[str]:
    """What is wrong with a URL, the worst first; never a part that may be a password."""
    if not url.strip():
        yield f"it is empty; unset it to use the embedded PostgreSQL, or {EXPECTED}"
    try:
        parts = urlsplit(url)
        _ = parts.hostname  # may raise
    except ValueError:
        yield f"it is no URL; {EXPECTED}"
        return
    if parts.scheme not in SCHEMES:
        other = f"{parts.scheme}:// is not PostgreSQL" if parts.scheme.isidentifier() else "it is no URL"
        yield f"{other}; {EXPECTED}"
    if "," in parts.netloc.rpartition("@")[2]:
        yield "it names several hosts; name the primary's only"
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        yield f"its port is no number from 1 to 65535 (or a password has an unquoted sign); {EXPECTED}"
    if not unquote(parts.path[1:]):
        yield f"it names no database; {EXPECTED}"
    if parts.fragment:
        yield f"a # in it must be written %23; {EXPECTED}"
    for name, values in parse_qs(parts.query, keep_blank_values=True).items():
        try:
            if name not in OUR_OPTIONS:
                make_dsn(**{name: values[0]})
        except (psycopg2.Error, TypeError):
            yield f"libpq has no option {name!r}; remove it from the end of the URL"


def choose(environment: Mapping[str, str], variable: str, *allowed: str) -> str:
    """The value of a variable with few values; empty if it is not set.

    Raises ImproperlyConfigured for another one.
    """
    value = environment.get(variable, "")
    if value and value not in allowed:
        raise ImproperlyConfigured(f"{variable}={value}: expected {' or '.join(allowed)}, or nothing")
    return value
