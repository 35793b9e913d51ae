"""Results as JSON, in a worker.

orjson is fast, and mnist-exp installs it. A worker whose environment has no orjson uses Python's
module `json`, as Azure ML's server does.
"""

import json
import math
from typing import Any

try:
    import orjson
except ModuleNotFoundError:
    orjson = None  # type: ignore[assignment]


def dumps(value: Any) -> bytes:
    """Return a value as JSON. NumPy's numbers and arrays become numbers and lists.

    NaN and infinite numbers are converted to null, because JSON has no such numbers.

    Raises:
        TypeError: The value cannot be written as JSON.
    """
    if orjson is None:
        return _plain_dumps(value)
    try:
        return orjson.dumps(value)
    except TypeError:
        return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)


def _plain_dumps(value: Any) -> bytes:
    # Convert arrays to lists first, so that `_finite` sees every number.
    plain = json.loads(json.dumps(value, default=_to_list))
    return json.dumps(_finite(plain), ensure_ascii=False, separators=(",", ":")).encode()


def _to_list(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
