#!/bin/bash
# Start one part of the stack: aws, init, warehouse, or a command of airflow.
set -eu
scripts=/opt/airflow-ml/docker

# Compose can't leave a variable out, and an empty one is no "not set" to boto3.
for name in $(env | sed -n 's/^\(AWS_[A-Z0-9_]*\)=$/\1/p'); do
  unset "$name"
done

check_memory() {
  # A container sees its whole machine there, in KiB.
  memory=$(awk '/^MemTotal:/ {print int($2 / 1024)}' "${MEMINFO:-/proc/meminfo}")
  if [ "$memory" -lt 3584 ]; then
    echo "Docker has $memory MiB of memory, and the stack needs 3584. Give it more (Docker Desktop:" \
      "Settings, Resources, Memory), then start again. Nothing was changed." >&2
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
esac
if [ -d /opt/mwaa ]; then
  . "$scripts/mwaa.sh"
fi
exec airflow "$@"
