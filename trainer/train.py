"""Train a network on handwritten digits: `python train.py --data-folder FOLDER`.

To train a network of your own, read this file and `digits/networks.py`. That file defines the
networks: each is a Keras model from 784 pixels to 10 logits. Add yours there and name it with
`--architecture`. A run then takes these steps (`digits/run.py`):

1. Read MNIST's files and hold out a part for validation.
2. Build the network and its optimiser from the command line's settings.
3. For each epoch, take the training images in a new random order, batch by batch. Each step calls
   `network(pixels, training=True)`, computes the softmax cross-entropy and applies its gradients.
4. After each epoch, compute the validation accuracy, log the metrics and save a checkpoint.
5. Evaluate the network on the test images and export it.

The results are `./outputs/model` and `./outputs/evaluation.json` (see `digits/export.py`), the
checkpoints in the folder of `--checkpoints`, and the metrics in MLflow.

Exit codes: 0 done, 1 failed (one line on stderr says why), 2 wrong command line, 130 interrupted,
143 stopped by SIGTERM. Started again with the same `--checkpoints`, a stopped run resumes.
"""

import gc
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

from digits.errors import Stopped, TrainerError
from digits.settings import Settings, parse_arguments

#: New objects between two garbage collections. Python's own 700 costs a tenth of a short run.
_OBJECTS_BETWEEN_COLLECTIONS = 50_000


def main() -> int:
    """Run the command line and return the process's exit code."""
    settings = parse_arguments()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    try:
        # Before the training begins there is nothing to save, so SIGTERM stops the process at once.
        signal.signal(signal.SIGTERM, _stop_at_once)
        train(settings)
    except TrainerError as error:
        return _fail(f"error: {error}", error.exit_code)
    except (OSError, MemoryError) as error:
        return _fail(f"error: {str(error) or 'out of memory'}", TrainerError.exit_code)
    except Stopped as stop:
        saved = list(settings.checkpoints.glob("epoch-*.npz")) if settings.checkpoints else []
        then = "resume from its last checkpoint" if saved else "restart"
        return _fail(f"{stop}; started again, the run will {then}", stop.exit_code)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    finally:
        # Everything is saved. An exception while Python exits would only change the exit code.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        # A last garbage collection among all libraries would take a second.
        gc.freeze()
    return 0


def train(settings: Settings) -> None:
    """Read the digits while TensorFlow is imported, then train."""
    # The heavy imports stand here, so that a wrong command line is reported at once.
    from digits.data import load  # noqa: PLC0415
    from digits.lean import import_tensorflow, needs_keras  # noqa: PLC0415

    with ThreadPoolExecutor(1) as reader:
        digits = reader.submit(load, settings.data_folder)
        try:
            import_tensorflow(keras=needs_keras(settings))
            from digits.run import run  # noqa: PLC0415
        except ImportError as error:
            # An interrupt during the import of a C extension becomes an ImportError.
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
