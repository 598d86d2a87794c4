# Two stages on one base. Everything that is installed comes from the lock files, with its hash.
FROM python:3.13-slim AS build
# Names of extras, separated by spaces. Each has a lock file of its own, requirements-NAME.txt.
ARG EXTRAS=""
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements*.txt ./
# The service's environment has no pip of its own: the builder's installs into it.
RUN python -m venv /opt/build && python -m venv --without-pip /opt/dora \
 && /opt/build/bin/pip install --require-hashes -r requirements-build.txt \
 && /opt/build/bin/pip --python /opt/dora install --require-hashes -r requirements.txt \
 && for extra in $EXTRAS; do \
      /opt/build/bin/pip --python /opt/dora install --require-hashes -r "requirements-$extra.txt" || exit 1; \
    done
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /build/wheels . \
 && /opt/build/bin/pip --python /opt/dora install --no-deps --no-index /build/wheels/*.whl

FROM python:3.13-slim
ARG VERSION=0.1.0
ARG REVISION=""
LABEL org.opencontainers.image.title="DORA observer" \
      org.opencontainers.image.description="Exact DORA primitives for Prometheus, from GitHub webhooks and pushed events." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# A named volume takes the owner of the folder that it covers: without this, uid 10001 could not write there.
RUN install -d -o 10001 -g 10001 /var/lib/dora
COPY --from=build /opt/dora /opt/dora
ENV PATH="/opt/dora/bin:${PATH}" PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# A number, so that Kubernetes can see that it is not root.
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
# Alive, not ready: restarting does not help a service whose state cannot be written.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import http.client, os, sys; port = os.environ.get('DORA_BIND', '').rpartition(':')[2] or os.environ.get('PORT') or '8080'; ask = http.client.HTTPConnection('127.0.0.1', int(port), timeout=4); ask.request('GET', '/healthz'); sys.exit(ask.getresponse().status != 200)"]
ENTRYPOINT ["dora", "serve"]
