"""A processing job: half of the points to learn from, half to judge by."""

from pathlib import Path

import pyarrow.parquet as pq

PROCESSING = Path("/opt/ml/processing")
points = pq.read_table(PROCESSING / "input/rows").select(["x", "y"]).to_pylist()
for name, half in (("train", points[::2]), ("test", points[1::2])):
    lines = [f"{point['x']} {point['y']}" for point in half]
    (PROCESSING / "output" / name / "points.txt").write_text("\n".join(lines))
print(f"{len(points)} points in halves")  # noqa: T201
