"""A processing job: it counts the bytes of its input."""

import pathlib

found = list(pathlib.Path("/opt/ml/processing/input/flights").rglob("*.parquet"))
size = sum(file.stat().st_size for file in found)
pathlib.Path("/opt/ml/processing/output/counts/size.txt").write_text(str(size))
print(f"counted {size} bytes")  # noqa: T201
