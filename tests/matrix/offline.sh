#!/bin/sh
# Install a package as MWAA does, from its plugins.zip alone, where there is no network:
#   sh offline.sh PYTHON PACKAGE MOUNTPOINT ESSENTIAL [OPTION OF PIP ...]
set -eu

# The network namespace is empty; what is mounted is seen by this process and its children alone.
if [ "$1" != inside ]; then
  unshare --map-root-user --net --mount true || {
    echo "this needs Linux and namespaces of its own: be root, or allow unprivileged ones" >&2
    exit 1
  }
  exec unshare --map-root-user --net --mount sh "$0" inside "$@"
fi
python=$2 package=$3 rest=$4 essential=$5
shift 5

# A heading is all that is left of routes and addresses.
if [ "$(cat /proc/self/net/route /proc/self/net/if_inet6 2>/dev/null | wc -l)" -gt 1 ]; then
  echo "there is a route or an address: this is not offline" >&2
  exit 1
fi

# requirements.txt names MWAA's folder for plugins. It is made in an empty /usr/local, beside all
# that was in it.
mount --rbind /usr/local "$rest"
mount -t tmpfs tmpfs /usr/local
for one in "$rest"/*; do
  place=/usr/local/${one##*/}
  if [ -L "$one" ]; then
    cp -P "$one" "$place"
  elif [ -d "$one" ]; then
    mkdir "$place"
    mount --rbind "$one" "$place"
  fi
done
mkdir -p /usr/local/airflow/plugins
"$python" -m zipfile -e "$package/plugins.zip" /usr/local/airflow/plugins

# The image has this command as safe-pip-install, and no settings of pip:
# https://github.com/aws/amazon-mwaa-docker-images
PIP_CONFIG_FILE=/dev/null "$python" -m pip --isolated install --no-cache-dir \
  --constraint "$essential" --requirement "$package/requirements.txt" "$@"
