"""An evaluation: the mean absolute error of the slope."""

import json
import tarfile
from pathlib import Path

PROCESSING = Path("/opt/ml/processing")
with tarfile.open(PROCESSING / "input/model/model.tar.gz") as archive:
    slope = json.load(archive.extractfile("model.json"))["slope"]
text = (PROCESSING / "input/data/points.txt").read_text()
points = [tuple(map(float, line.split())) for line in text.splitlines()]
mae = sum(abs(y - slope * x) for x, y in points) / len(points)
report = {"regression_metrics": {"mae": {"value": mae, "standard_deviation": 0.0}}}
(PROCESSING / "output/report/evaluation.json").write_text(json.dumps(report))
