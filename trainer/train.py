"""Trains a network on handwritten digits: `python train.py --data-folder FOLDER`.

What it writes: `./outputs/model` and `./outputs/evaluation.json` (see export.py); metrics go to
MLflow (see tracking.py). Exit codes: 0 done, 1 failed (one line on stderr says why), 2 a wrong
command line.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

from errors import TrainerError
from settings import Settings, parse_arguments


def main() -> int:
    """Runs the command line; the result is the process's exit code."""
    settings = parse_arguments()
    try:
        _start(settings)
    except TrainerError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _start(settings: Settings) -> None:
    # The heavy imports stand here: a wrong command line is told of at once, and the data is
    # unpacked (which needs no interpreter) while TensorFlow loads.
    from data import load  # noqa: PLC0415
    from lean import import_tensorflow  # noqa: PLC0415

    with ThreadPoolExecutor(1) as reader:
        digits = reader.submit(load, settings.data_folder)
        import_tensorflow(keras=settings.needs_keras)

        from run import run  # noqa: PLC0415

        run(settings, *digits.result())


if __name__ == "__main__":
    sys.exit(main())
