"""What holds for every suite."""

from __future__ import annotations

import atexit
import os
import tempfile

# Airflow reads this on import, and a developer's own home is no place for tests.
_HOME = tempfile.TemporaryDirectory(prefix="airflow-")
atexit.register(_HOME.cleanup)
os.environ["AIRFLOW_HOME"] = _HOME.name
