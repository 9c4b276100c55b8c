"""A processing job that fails."""

import sys

sys.stderr.write("the column speed is missing\n")
sys.exit(3)
