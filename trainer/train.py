"""Train a network on handwritten digits: `python train.py --data-folder FOLDER`.

To train your own network, read this file and `digits/networks.py`. The file `digits/networks.py`
defines the networks. Each network is a Keras model from 784 pixels to 10 logits. Add your network
to that file, and select your network with `--architecture`. A run has these steps
(`digits/run.py`):

1. Read MNIST's files, and reserve a part of the training images for validation.
2. Build the network and the optimiser from the settings of the command line.
3. For each epoch, take the training images in a new random order, batch by batch. Each step calls
   `network(pixels, training=True)`, computes the softmax cross-entropy and applies the gradients.
4. After each epoch, compute the validation accuracy, log the metrics and save a checkpoint.
5. Evaluate the network on the test images, and export the network.

The run writes the model to `./outputs/model` and the evaluation to `./outputs/evaluation.json`
(see `digits/export.py`). The checkpoints are in the folder that `--checkpoints` names. The metrics
are in MLflow. A stopped run resumes if you start it again with the same `--checkpoints`.

Exit codes:

0    the run is complete
1    the run failed; one line on stderr says why
2    the command line is wrong
130  the user interrupted the run (Ctrl-C)
143  SIGTERM stopped the run
"""

import gc
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

from digits.errors import Stopped, TrainerError
from digits.settings import Settings, parse_arguments

#: Number of new objects between two garbage collections. Python's default of 700 makes a short run
#: about 10 % slower.
_OBJECTS_BETWEEN_COLLECTIONS = 50_000


def main() -> int:
    """Run the command line and return the process's exit code."""
    settings = parse_arguments()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    try:
        # Until training begins, there is nothing to save, so SIGTERM stops the process immediately.
        # The training itself handles SIGTERM in another way (see `stoppable`).
        signal.signal(signal.SIGTERM, _stop_immediately)
        train(settings)
    except TrainerError as error:
        return _fail(f"error: {error}", error.exit_code)
    except (OSError, MemoryError) as error:
        return _fail(f"error: {str(error) or 'out of memory'}", TrainerError.exit_code)
    except Stopped as stop:
        saved = list(settings.checkpoints.glob("epoch-*.npz")) if settings.checkpoints else []
        then = "resume from its last checkpoint" if saved else "restart"
        return _fail(f"{stop}; run the same command again: the run will {then}", stop.exit_code)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    finally:
        # Ignore SIGTERM from here on: no work is left, and SIGTERM would only change the exit code.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        # Without this call, Python would search the objects of all libraries for garbage at exit.
        # This search takes a second.
        gc.freeze()
    return 0


def train(settings: Settings) -> None:
    """Read the digits while TensorFlow is imported, then train."""
    # These slow imports are inside the function, so that `main` can report a wrong command line
    # before the imports begin.
    from digits.data import load  # noqa: PLC0415
    from digits.lean import import_tensorflow, needs_keras  # noqa: PLC0415

    with ThreadPoolExecutor(1) as reader:
        digits = reader.submit(load, settings.data_folder)
        try:
            import_tensorflow(keras=needs_keras(settings))
            from digits.run import run  # noqa: PLC0415
        except ImportError as error:
            # If the user presses Ctrl-C during the import of a C extension, Python raises an
            # ImportError.
            if _was_interrupted(error):
                raise KeyboardInterrupt from error
            raise

        run(settings, *digits.result())


def _was_interrupted(error: BaseException | None) -> bool:
    while error and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _stop_immediately(_signal: int, _frame: FrameType | None) -> None:
    raise Stopped("stopped by SIGTERM")


def _fail(line: str, code: int) -> int:
    print(line, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
