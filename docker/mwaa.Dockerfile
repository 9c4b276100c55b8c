# What an image of Amazon MWAA has, without the package: that is installed at the start, as MWAA does.
ARG BASE_IMAGE
ARG MWAA_BASE_IMAGE=python:3.12-slim-bookworm
FROM ${MWAA_BASE_IMAGE}

ARG MWAA_VERSION=3.3.1
ARG UV_VERSION=0.13.9
ENV AIRFLOW_HOME=/usr/local/airflow \
    AIRFLOW_VERSION=$MWAA_VERSION \
    HOME=/home/airflow \
    LOGNAME=airflow \
    PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1
RUN useradd --uid 1000 --gid 0 --create-home airflow \
    && mkdir -p /opt/airflow/logs /usr/local/airflow/plugins \
    && python3 -m venv /opt/venv \
    && pip install --no-cache-dir --quiet "uv==$UV_VERSION"
COPY airflow_ml_provider/mwaa/images /opt/mwaa
# Two of the packages compile; psycopg2 is there as a wheel under another name. What the list leaves
# out and others require comes by itself. The environment is the user's, who installs into it.
RUN case "$MWAA_VERSION" in \
        2.*) echo "This stack starts Airflow 3, not $MWAA_VERSION" >&2; exit 1 ;; \
    esac \
    && grep -vE '^(psycopg2|pycurl)==' "/opt/mwaa/$MWAA_VERSION-installed.txt" >/tmp/installed.txt \
    && uv pip install --no-cache --quiet --compile-bytecode --python /opt/venv \
        --requirements /tmp/installed.txt psycopg2-binary \
    && chown -R airflow:0 /opt/venv /opt/airflow /usr/local/airflow /home/airflow \
    && chmod -R g=u /opt/venv /opt/airflow /usr/local/airflow /home/airflow

# Not where the checkout's package is mounted: Python would find it before the installed one.
WORKDIR /usr/local/airflow
COPY docker /opt/airflow-ml/docker
USER airflow
ENTRYPOINT ["/opt/airflow-ml/docker/entrypoint.sh"]
