"""A stand-in for the package inference-schema, whose releases exclude versions that we need."""

from pathlib import Path

_FILES = {
    "schema_util.py": """
DECORATED = []
def is_schema_decorated(run): return run in DECORATED
""",
    "schema_decorators.py": """
from inference_schema import schema_util
def input_schema(name, sample):
    return lambda run: schema_util.DECORATED.append(run) or run
output_schema = input_schema
""",
    "parameter_types/standard_py_parameter_type.py": """
class StandardPythonParameterType:
    def __init__(self, sample): pass
""",
}


def write_stand_in(folder: Path) -> None:
    """Write the package into a folder of code."""
    for name, source in _FILES.items():
        path = folder / "inference_schema" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
