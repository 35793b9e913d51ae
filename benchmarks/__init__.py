"""Speed, measured against rivals: `python -m benchmarks [training|process|accuracy]`."""

import sys
from pathlib import Path

# The trainer is a folder of scripts, not a package: its modules are found by plain name.
sys.path.insert(0, str(Path(__file__).parents[1] / "trainer"))
