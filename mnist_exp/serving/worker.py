"""The container of a deployment: runs the scoring script, as Azure ML's inference server does.

It knows nothing of keys, traffic or HTTP. One process whatever `instance_count` says: on this
machine instances would share the same cores.
"""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor

import orjson

from mnist_exp.serving.script import ScoringScript

__all__ = ["ScoringError", "Worker", "encode"]

logger = logging.getLogger(__name__)


class ScoringError(Exception):
    """`run` raised, or its result is not JSON; the details are in the log alone."""


class Worker:
    """A scoring script and the threads that call it.

    With one thread, the default, `init` and every `run` happen in the same thread, which is what
    a script may expect whose libraries tie objects to threads.

    Args:
        script: The user's script.
        threads: How many calls of `run` may happen at a time.
    """

    def __init__(self, script: ScoringScript, threads: int) -> None:
        self._script = script
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="scoring")

    def start(self) -> None:
        """Import the script and call its `init`; raises whatever they raise."""
        init = self._script.load()
        self._pool.submit(init).result()

    async def score(self, raw_data: str, request_id: str) -> bytes:
        """Return `run`'s result as JSON.

        Cancelled before its turn has come, the call does not happen; once it has begun, it runs
        to its end and keeps its thread: a thread cannot be stopped.

        Raises:
            ScoringError: There is no result.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._score, raw_data, request_id)

    def _score(self, raw_data: str, request_id: str) -> bytes:
        try:
            return encode(self._script.run(raw_data))
        # Even SystemExit: a request must not end the process for all the others.
        except BaseException as error:
            # The one line is what `Endpoints.invoke` looks for.
            cause = " ".join(f"{type(error).__name__}: {error}".split())
            logger.exception("request %s failed: %s", request_id, cause)
            raise ScoringError(request_id) from None


def encode(result: object) -> bytes:
    """Return a result of `run` as JSON: text becomes a quoted string, as on Azure ML.

    More than Azure ML's server takes, NumPy's numbers and arrays are taken too; not-a-number
    becomes null, for which JSON has no word.

    Raises:
        TypeError: It is nothing that JSON can say.
    """
    try:
        return orjson.dumps(result)
    except TypeError:
        return orjson.dumps(result, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)
