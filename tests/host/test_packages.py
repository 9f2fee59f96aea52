"""Secrets of real packages: rotated as `rotation discover` says, and tried by their own code."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Database
from tests.host.project import Host

pytestmark = pytest.mark.long

PACKAGES = (
    "djangorestframework",
    "django-oauth-toolkit",
    "django-rest-knox",
    "djangorestframework-api-key",
)
MORE = """
INSTALLED_APPS += [
    "django.contrib.sessions",
    "rest_framework",
    "rest_framework.authtoken",
    "oauth2_provider",
    "knox",
    "rest_framework_api_key",
]
USE_TZ = True
MIDDLEWARE = []
OAUTH2_PROVIDER = {"SCOPES": {"read": "reading"}}
"""
PEOPLE = 30
#: For each column: how its rows are made, with the secret that a client gets in `secrets`, and how the
#: package tries one. `present` are the secrets that the table holds now, if a client can use these.
CODE = {
    "authtoken_token.key": """
from rest_framework.authentication import TokenAuthentication
from rest_framework.authtoken.models import Token

def make(user):
    return Token.objects.create(user=user).key

def opens(secret):
    return TokenAuthentication().authenticate_credentials(secret)[0].is_active

def present():
    return list(Token.objects.values_list("key", flat=True))
""",
    "oauth2_provider_accesstoken.token": """
from datetime import timedelta
from django.utils import timezone
from oauth2_provider.models import AccessToken, Application
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauthlib.common import Request, generate_token

def make(user):
    until = timezone.now() + timedelta(days=1)
    its = {"user": user, "token": generate_token(), "expires": until, "scope": "read"}
    return AccessToken.objects.create(**its).token

def opens(secret):
    return OAuth2Validator().validate_bearer_token(secret, ["read"], Request("https://site/"))

def present():
    return list(AccessToken.objects.values_list("token", flat=True))
""",
    "oauth2_provider_refreshtoken.token": """
from datetime import timedelta
from django.utils import timezone
from oauth2_provider.models import AccessToken, Application, RefreshToken
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauthlib.common import Request, generate_token

def client():
    return Application.objects.get_or_create(
        name="one", client_type="public", authorization_grant_type="password")[0]

def make(user):
    until = timezone.now() + timedelta(days=1)
    its = {"user": user, "application": client()}
    access = AccessToken.objects.create(token=generate_token(), expires=until, **its)
    return RefreshToken.objects.create(token=generate_token(), access_token=access, **its).token

def opens(secret):
    return OAuth2Validator().validate_refresh_token(secret, client(), Request("https://site/"))

def present():
    return list(RefreshToken.objects.values_list("token", flat=True))
""",
    "knox_authtoken.digest": """
from knox.auth import TokenAuthentication
from knox.models import AuthToken

def make(user):
    return AuthToken.objects.create(user)[1]

def opens(secret):
    return TokenAuthentication().authenticate_credentials(secret.encode())[0].is_active

def present():
    return [make(User.objects.first())]
""",
    "rest_framework_api_key_apikey.hashed_key": """
from rest_framework_api_key.models import APIKey

def make(user):
    return APIKey.objects.create_key(name=user.username)[1]

def opens(secret):
    return APIKey.objects.is_valid(secret)

def present():
    assert all(one.id == f"{one.prefix}.{one.hashed_key}" for one in APIKey.objects.all())
    return [make(User.objects.first())]
""",
    "django_session.session_key": """
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session

def make(user):
    store = SessionStore()
    store["user"] = user.pk
    store.create()
    return store.session_key

def opens(secret):
    return "user" in SessionStore(session_key=secret).load()

def present():
    return list(Session.objects.values_list("session_key", flat=True))
""",
}
USERS = "from django.contrib.auth.models import User\n"
MAKE = """
import json
users = [User.objects.create(username=f"u{n}") for n in range(30)]
print(json.dumps([make(user) for user in users]))
"""
TRY = """
import json, os
def does(secret):
    try:
        return bool(opens(secret))
    except Exception as error:
        assert type(error).__name__ == "AuthenticationFailed", error
        return False
secrets = json.loads(os.environ["SECRETS"])
print(json.dumps([sum(map(does, secrets)), [does(one) for one in present()]]))
"""  # fmt: skip
#: Not what `rotation discover` proposes, which is to delete the rows; for who must keep them.
SESSIONS = {
    "first": "ALTER TABLE django_session ADD rotation_key bigint GENERATED ALWAYS AS IDENTITY UNIQUE",
    "command": "python manage.py rotate_tokens_sql --table django_session --column session_key"
    " --walk rotation_key --format '{alnum:32}'",
}


@pytest.mark.parametrize("column", CODE)
def test_old_secrets_fail_and_new_ones_pass(
    db: Database, tmp_path: Path, environment: Callable[..., Path], column: str
) -> None:
    python = environment("", "[psycopg2]", "Django>=5.2,<5.3", *PACKAGES)
    host = Host(db, tmp_path, python, more={"MORE": MORE})
    host.set_up()

    def shell(code: str, **more: str) -> Any:
        said = host.manage("shell", "-c", USERS + CODE[column] + code, **more)
        return json.loads(said.splitlines()[-1])

    secrets = json.dumps(shell(MAKE))
    worked, _ = shell(TRY, SECRETS=secrets)
    assert worked == PEOPLE
    db.sql("ANALYZE")
    listed = json.loads(host.manage("rotation", "discover", "--json"))
    (found,) = (one for one in listed if f"{one['table']}.{one['column']}" == column)
    if column.startswith("django_session"):
        assert "delete the rows" in found["why"]
        found = SESSIONS
    if found["first"]:
        db.sql(found["first"].partition(" (which")[0])
    said = host.manage(*shlex.split(found["command"])[2:])
    assert re.search(r"0 of 3[01] revoked tokens survive", said)
    worked, new = shell(TRY, SECRETS=secrets)
    assert worked == 0
    assert new
    assert all(new)
