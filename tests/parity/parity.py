"""Compare our endpoint with Azure ML's inference server, case by case.

    python tests/parity/parity.py --environment build/parity [--record]

Each script is deployed to an endpoint of ours, and to azureml-inference-server-http 1.5.1 in an
environment of its own. Both get the same requests. Their statuses, headers and bodies must be
equal, except in the cases of `differences.py`. The server's answers must also be equal to the
recorded answers, which `make test` uses.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "trainer")]

from mnist_exp.config import RequestSettingsConfig  # noqa: E402
from tests.parity import answers  # noqa: E402
from tests.parity.answers import Answer  # noqa: E402
from tests.parity.azure_server import azure_server, prepared  # noqa: E402
from tests.parity.cases import Case, cases  # noqa: E402
from tests.parity.differences import ALLOWED  # noqa: E402
from tests.parity.schema_stand_in import write_stand_in  # noqa: E402
from tests.parity.scripts import SCRIPTS  # noqa: E402
from tests.support.scoring_service import Service, serve  # noqa: E402


def azure_answers(python: Path, folder: Path) -> dict[str, Answer]:
    """Return the answers of Azure ML's server."""
    found = {}
    for script, group in _grouped():
        place = folder / script
        place.mkdir()
        with azure_server(python, SCRIPTS[script], place) as port:
            for case in group:
                found[case.id] = answers.sent(case, port, {})
        print(f"azure  {script}", flush=True)
    return found


def our_answers(folder: Path) -> dict[str, Answer]:
    """Return the answers of an endpoint of ours."""
    found = {}
    with ExitStack() as stack:
        services = serve(folder, RequestSettingsConfig(60_000, 1))
        stack.callback(lambda: next(services, None))
        service = next(services)
        key = {"Authorization": f"Bearer {service.keys.primary}"}
        write_stand_in(folder / "code")
        for script, group in _grouped():
            _deploy(service, script)
            for case in group:
                found[case.id] = answers.sent(case, service.port, key)
            print(f"ours   {script}", flush=True)
    return found


def _deploy(service: Service, name: str) -> None:
    script = SCRIPTS[name]
    service.deploy(
        script=script.source,
        environment_variables=dict(script.variables),
        request_settings=RequestSettingsConfig(60_000, 1),
    )


def _grouped() -> Iterator[tuple[str, list[Case]]]:
    for script, group in groupby(cases(), lambda case: case.script):
        yield script, list(group)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--environment", type=Path, default=ROOT / "build" / "parity")
    parser.add_argument("--record", action="store_true", help="write the recorded answers")
    arguments = parser.parse_args()
    python = prepared(arguments.environment)
    with tempfile.TemporaryDirectory() as azure, tempfile.TemporaryDirectory() as ours:
        theirs = azure_answers(python, Path(azure))
        if arguments.record:
            answers.save(theirs)
        failed = _compare(theirs, our_answers(Path(ours)), answers.load())
    print(f"{len(theirs)} cases, {len(ALLOWED)} allowed differences, {failed} failed")
    return 1 if failed else 0


def _compare(
    theirs: dict[str, Answer], ours: dict[str, Answer], recorded: dict[str, Answer]
) -> int:
    failed = 0
    for name, expected in theirs.items():
        if recorded.get(name) != expected:
            failed += 1
            print(f"CHANGED {name}\n  recorded {recorded.get(name)}\n  azure    {expected}")
        if (ours[name] != expected) != (name in ALLOWED):
            failed += 1
            print(f"FAILED  {name}\n  azure {expected}\n  ours  {ours[name]}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
