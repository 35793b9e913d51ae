"""Trains a network on handwritten digits: `python train.py --data-folder FOLDER`.

What it writes: `./outputs/model` and `./outputs/evaluation.json` (see export.py), checkpoints
where `--checkpoints` says (see checkpoints.py); metrics go to MLflow (see tracking.py).

Exit codes: 0 done, 1 failed (one line on stderr says why), 2 a wrong command line, 130
interrupted, 143 stopped by SIGTERM: started again with the same `--checkpoints`, it goes on.
"""

import gc
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

from digits.errors import Stopped, TrainerError
from digits.settings import Settings, parse_arguments

#: What libraries make as they are imported stays: to look for garbage after every 700 objects, as
#: Python does by itself, takes a tenth of a short run.
_OBJECTS_BETWEEN_COLLECTIONS = 50_000


def main() -> int:
    """Runs the command line; the result is the process's exit code."""
    settings = parse_arguments()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    try:
        # Until training has begun there is nothing to end in order.
        signal.signal(signal.SIGTERM, _stop_at_once)
        _start(settings)
    except TrainerError as error:
        return _fail(f"error: {error}", error.exit_code)
    except (OSError, MemoryError) as error:
        return _fail(f"error: {str(error) or 'out of memory'}", TrainerError.exit_code)
    except Stopped as stop:
        kept = list(settings.checkpoints.glob("epoch-*.npz")) if settings.checkpoints else []
        then = "go on from its last checkpoint" if kept else "begin again"
        return _fail(f"{stop}; started again, the run will {then}", stop.exit_code)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    finally:
        # What there was to save is saved, and Python's own end is no place for an exception.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        # Nor for a last search for garbage among all the libraries, which takes a second.
        gc.freeze()
    return 0


def _start(settings: Settings) -> None:
    # The heavy imports stand here: a wrong command line is told of at once, and the data is
    # unpacked (which needs no interpreter) while TensorFlow loads.
    from digits.data import load  # noqa: PLC0415
    from digits.lean import import_tensorflow  # noqa: PLC0415
    from digits.paths import needs_keras  # noqa: PLC0415

    with ThreadPoolExecutor(1) as reader:
        digits = reader.submit(load, settings.data_folder)
        try:
            import_tensorflow(keras=needs_keras(settings))
            from digits.run import run  # noqa: PLC0415
        except ImportError as error:
            # An extension that an interrupt has met in the midst of its import says only this.
            if _was_interrupted(error):
                raise KeyboardInterrupt from error
            raise

        run(settings, *digits.result())


def _was_interrupted(error: BaseException | None) -> bool:
    while error and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _stop_at_once(_signal: int, _frame: FrameType | None) -> None:
    raise Stopped("stopped by SIGTERM")


def _fail(line: str, code: int) -> int:
    print(line, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
