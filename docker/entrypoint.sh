#!/bin/bash
# Start one part of the stack: aws, init, warehouse, or a command of airflow.
set -eu
# Another user of the group may use the volumes after this one.
umask 002
scripts=/opt/airflow-ml/docker

check_memory() {
  # A container sees its whole machine there, in KiB.
  memory=$(awk '/^MemTotal:/ {print int($2 / 1024)}' "${MEMINFO:-/proc/meminfo}")
  if [ "$memory" -lt 3584 ]; then
    echo "Docker has $memory MiB of memory, and the stack needs 3584. Give it more (Docker Desktop:" \
      "Settings, Resources, Memory), then start again." >&2
    exit 1
  fi
}

case "$1" in
  aws)
    shift
    # Only the other containers and the port published on 127.0.0.1 lead here.
    exec airflow-ml local --host 0.0.0.0 --allow-remote "$@"
    ;;
  warehouse)
    check_memory
    exec python "$scripts/warehouse.py"
    ;;
  init)
    check_memory
    exec airflow db migrate
    ;;
  celery)
    if [ "$AIRFLOW__CORE__EXECUTOR" != CeleryExecutor ]; then
      echo "A profile alone leaves the LocalExecutor, and this worker nothing to do. Start it by:" \
        "docker-compose --env-file docker/celery.env up (or docker/mwaa.env)" >&2
      exit 1
    fi
    ;;
esac
if [ -d /opt/mwaa ]; then
  . "$scripts/mwaa.sh"
fi
exec airflow "$@"
