"""Benchmarks of speed against other programs: `python -m benchmarks [NAME ...]`.

A *contestant* is one way to do the measured work. A *rival* is a contestant that is not ours.
Contestants are measured in *turns*, one after the other, several times.
"""

import sys
from pathlib import Path

# The trainer is not a package of this project, but a folder that is copied to a compute target. Add
# the folder to the path, because its modules import each other as top-level modules.
sys.path.insert(0, str(Path(__file__).parents[1] / "trainer"))
