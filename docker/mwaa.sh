# Do what Amazon MWAA does before it starts Airflow: unpack plugins.zip, run startup.sh, install
# requirements.txt. https://docs.aws.amazon.com/mwaa/latest/userguide/working-dags-dependencies.html
# MWAA only logs a failed installation and starts without the packages; here it ends the container.
package=/opt/package
images=/opt/mwaa/$AIRFLOW_VERSION

if [ ! -f "$package/requirements.txt" ]; then
  echo "There is no requirements.txt in MWAA_PACKAGE; make it by: airflow-ml mwaa package" \
    "--version $AIRFLOW_VERSION" >&2
  exit 1
fi
if [ -f "$package/plugins.zip" ]; then
  python -m zipfile -e "$package/plugins.zip" "$AIRFLOW_HOME/plugins"
fi
if [ -f "$package/startup.sh" ]; then
  export MWAA_AIRFLOW_COMPONENT="$1"
  # In a shell of its own, as it may exit; what it exports stays.
  variables=$(mktemp)
  bash -c 'trap "export -p >$1" EXIT; . "$2"' bash "$variables" "$package/startup.sh"
  . "$variables"
fi
# A file that names no constraints gets those of its Airflow.
more=
if ! grep -qE -- '-c |--constraint ' "$package/requirements.txt"; then
  more="-c https://raw.githubusercontent.com/apache/airflow/constraints-$AIRFLOW_VERSION/constraints-3.12.txt"
fi
pip install --quiet --disable-pip-version-check --constraint "$images-essential.txt" \
  -r "$package/requirements.txt" $more || {
  echo "requirements.txt can't be installed: MWAA would log this and start without the packages" >&2
  exit 1
}
