"""Speed, measured against rivals: `python -m benchmarks [NAME ...]`."""

import sys
from pathlib import Path

# The trainer is a folder that is copied to a compute, not a package of this project. Its modules
# are imported as in that folder.
sys.path.insert(0, str(Path(__file__).parents[1] / "trainer"))
