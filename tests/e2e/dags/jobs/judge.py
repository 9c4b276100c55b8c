"""A processing job: a report that holds its argument."""

import json
import sys
from pathlib import Path

score = float(sys.argv[sys.argv.index("--score") + 1])
Path("/opt/ml/processing/output/report/report.json").write_text(json.dumps({"score": score}))
