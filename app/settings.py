"""Settings of the project; every secret and every address comes from the environment.

DATABASE_URL   the database that holds the tokens; without it the embedded PostgreSQL of
               `app.localpg` is used, and started on the first connection
DATABASE_URL_NAME  one more database, `--database name`, for as many names as there are
SECRET_KEY     Django's signing key; without it, a new random one for every process
DEBUG          1 turns Django's debug pages on
ALLOWED_HOSTS  host names of the site, separated by commas
HTTPS          off: the site is reached without TLS, from this machine only
PROXY          1: a proxy in front of the site sets X-Forwarded-Proto to say whether TLS was used
METRICS        1: /metrics shows Prometheus, and everyone who can reach it, how far rotations are

With DATABASE_URL, and without DEBUG=1 or HTTPS=off, the site is in production: app/wsgi.py requires
SECRET_KEY and ALLOWED_HOSTS, and cookies and URLs are for TLS only. Commands need neither.
"""

import os
from pathlib import Path

from django.core.management.utils import get_random_secret_key

from app.environment import Secret, choose, read_databases

BASE_DIR = Path(__file__).resolve().parent.parent

SECRET_KEY = Secret(os.environ.get("SECRET_KEY") or get_random_secret_key())
DEBUG = choose(os.environ, "DEBUG", "0", "1") == "1"
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "localhost,127.0.0.1").split(",")

HTTPS = choose(os.environ, "HTTPS", "on", "off")
PRODUCTION = bool(os.environ.get("DATABASE_URL")) and not DEBUG and HTTPS != "off"
if PRODUCTION:
    SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SECURE_HSTS_SECONDS = 365 * 86_400
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    # HSTS preloading is for the domain's owner to decide.
    SILENCED_SYSTEM_CHECKS = ["security.W021"]
if choose(os.environ, "PROXY", "0", "1") == "1":
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

DEFAULT_EXCEPTION_REPORTER = "app.debug.Reporter"

DATABASES = read_databases(os.environ)

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "pgtrigger",
    "app.rotation",
    "app.tickets",
]

MIDDLEWARE = [
    "app.middleware.healthz",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "app.middleware.content_security_policy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

ROOT_URLCONF = "app.urls"
WSGI_APPLICATION = "app.wsgi.application"
STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True  # straight from the packages: no collectstatic
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True

ROTATION = {
    # What `rotate_tokens_sql` rotates when no --table is given: app label, model, field.
    "TARGET": "tickets.Ticket.token",
    # Whether /metrics is served.
    "METRICS": choose(os.environ, "METRICS", "0", "1") == "1",
}
