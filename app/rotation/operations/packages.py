"""Secrets of well-known packages: what rotates them, or why no tool can. docs/secrets.md says more."""

from dataclasses import dataclass, field

#: 244 random bits by two UUIDs, as a hash that `check_password` reads; nobody knows its token.
UNKNOWN_KEY = (
    "'sha512$$' || encode(sha512(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'hex')"
)
OTHERS = "issued by others: renew it there, then store what they give you"
ENROL = "shared with a person's device: have them enrol it again"


@dataclass(frozen=True)
class Known:
    """What is known of a column: flags that rotate it, or why nothing does."""

    package: str
    flags: dict[str, str] = field(default_factory=dict)  #: --format, --expression
    also: dict[str, str] = field(default_factory=dict)  #: companions, where the table has them
    why: str = ""  #: why no command rotates it, and what to do
    then: str = ""  #: what the application must do afterwards


DRF = "Django REST framework"
TOOLKIT = "django-oauth-toolkit"
CHECKSUM = {"token_checksum": "encode(sha256(convert_to(new_token, 'UTF8')), 'hex')"}
ALLAUTH = "django-allauth"
#: By the names of their tables and columns.
KNOWN = {
    ("authtoken_token", "key"): Known(DRF, {"--format": "{hex:40}"}),
    ("oauth2_provider_accesstoken", "token"): Known(TOOLKIT, {"--format": "{base62:30}"}, CHECKSUM),
    ("oauth2_provider_refreshtoken", "token"): Known(TOOLKIT, {"--format": "{base62:30}"}, CHECKSUM),
    ("oauth2_provider_grant", "code"): Known(
        TOOLKIT, why="lives for a minute: delete the rows (manage.py cleartokens), people log in again"
    ),
    ("oauth2_provider_application", "client_secret"): Known(
        TOOLKIT, why="known to the client's owner: give each a new one in the admin"
    ),
    ("knox_authtoken", "digest"): Known(
        "django-rest-knox", {"--format": "{hex:128}"}, then="people log in again, and get a new token"
    ),
    ("rest_framework_api_key_apikey", "hashed_key"): Known(
        "djangorestframework-api-key",
        {"--expression": UNKNOWN_KEY, "--walk": "prefix"},
        {"id": "prefix || '.' || new_token"},
        then="give each client a new key",
    ),
    ("django_session", "session_key"): Known(
        "Django", why="delete the rows (DELETE FROM django_session): everybody logs in again"
    ),
    ("auth_user", "password"): Known(
        "Django", why="chosen by people: reset them, or set_unusable_password()"
    ),
    ("account_emailconfirmation", "key"): Known(ALLAUTH, {"--format": "{alnum:64}"}),
    ("socialaccount_socialtoken", "token"): Known(ALLAUTH, why=OTHERS),
    ("socialaccount_socialtoken", "token_secret"): Known(ALLAUTH, why=OTHERS),
    ("socialaccount_socialapp", "secret"): Known(ALLAUTH, why=OTHERS),
    ("socialaccount_socialapp", "key"): Known(ALLAUTH, why=OTHERS),
    ("mfa_authenticator", "data"): Known(ALLAUTH, why=ENROL),
    ("otp_totp_totpdevice", "key"): Known("django-otp", why=ENROL),
    ("otp_hotp_hotpdevice", "key"): Known("django-otp", why=ENROL),
    ("otp_static_statictoken", "token"): Known("django-otp", why=ENROL),
}
