"""A training job: the model is the depth it was asked for."""

import argparse
import os
import pathlib

parser = argparse.ArgumentParser()
parser.add_argument("--max_depth", type=int)
depth = parser.parse_args().max_depth
counted = pathlib.Path(os.environ["SM_CHANNEL_COUNTS"], "size.txt").read_text()
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text(f"{depth} {counted}")
