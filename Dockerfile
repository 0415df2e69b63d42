# Not based on apache/airflow:3.3.2: it contains hundreds of packages in other versions, and installing the lock over them
# would give an untested mixture. So: the plain Python image and exactly the lock, with hashes.
FROM python:3.11-slim-bookworm AS build

RUN apt-get update \
    && apt-get install --yes --no-install-recommends build-essential \
    && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1

# For the KubernetesExecutor: docker build --build-arg LOCK=requirements-kubernetes.lock
# Without what only delegated mailboxes need, half the size: docker build --build-arg LOCK=requirements-slim.lock
ARG LOCK=requirements.lock
WORKDIR /build
COPY ${LOCK} requirements.lock
RUN pip install --no-deps --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY include/gmail_warmup include/gmail_warmup
RUN pip install --no-build-isolation --no-deps .


FROM python:3.11-slim-bookworm

# curl is for the health checks; the probes of Airflow's Helm chart start their commands with /entrypoint.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends curl tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 50000 --gid 0 --home-dir /opt/airflow --create-home --shell /usr/sbin/nologin airflow \
    && install --directory --owner airflow --group 0 --mode 0770 /opt/airflow/logs \
    && echo "# Empty: all settings come from the environment." >/opt/airflow/airflow.cfg \
    && ln -s /usr/bin/env /entrypoint
COPY --from=build /opt/venv /opt/venv
COPY dags /opt/airflow/dags

ENV PATH=/opt/venv/bin:$PATH \
    AIRFLOW_HOME=/opt/airflow \
    PYTHONUNBUFFERED=1
WORKDIR /opt/airflow
USER 50000
EXPOSE 8080

# tini forwards signals and reaps orphaned processes of tasks.
ENTRYPOINT ["tini", "--"]
CMD ["airflow", "version"]
