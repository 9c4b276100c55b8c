#!/bin/sh
# MWAA runs this on every scheduler, worker and web server before it installs requirements.txt:
# https://docs.aws.amazon.com/mwaa/latest/userguide/using-startup-script.html
# Airflow's variables that are exported here yield to the environment's configuration options,
# and those to what MWAA sets itself.

# When pip fails, Airflow starts without the packages, and only a log tells of it. So the log says
# first what pip will find.
plugins="${AIRFLOW_HOME:-/usr/local/airflow}/plugins"
echo "airflow-ml: Airflow ${AIRFLOW_VERSION:-?}, $(python3 --version), ${MWAA_AIRFLOW_COMPONENT:-?}"
for wheel in "$plugins"/*.whl; do
    if [ -e "$wheel" ]; then
        echo "airflow-ml: plugins.zip has ${wheel##*/}"
    else
        echo "airflow-ml: plugins.zip has no wheels; deploy it together with its requirements.txt"
    fi
done
