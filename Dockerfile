# The site and its commands; PostgreSQL is a separate service (docker-compose.yml).
FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1

WORKDIR /srv

COPY requirements.txt ./
RUN pip install --no-cache-dir --disable-pip-version-check -r requirements.txt

COPY manage.py ./
COPY sql ./sql
COPY app ./app

# A number, so that an orchestrator can tell that it is not root.
RUN useradd --system --uid 10001 --no-create-home --home-dir /nonexistent tickets
USER 10001

EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://localhost:8000/healthz', timeout=2)"]

# --preload: the workers share the signing key that settings.py generates without SECRET_KEY.
CMD ["gunicorn", "app.wsgi", "--bind", "0.0.0.0:8000", "--workers", "2", "--preload", "--worker-tmp-dir", "/dev/shm", "--no-control-socket"]
