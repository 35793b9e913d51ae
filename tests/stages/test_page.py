"""stage=page, with a real endpoint."""

import json
import re
import signal
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from mnist_exp.config import Stage
from mnist_exp.errors import ConfigError
from tests.stages.deploying import NAME, SCRIPT, Deploying, deploying
from tests.support.command_line import Cli

pytestmark = pytest.mark.external

SHORT = "page.idle_minutes=0.002"


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deploying]:
    """Yield an endpoint whose script is not the trainer's."""
    for made in deploying(tmp_path_factory.mktemp("page")):
        made.script(SCRIPT)
        made.run()
        yield made


def test_the_page_ends_if_nobody_uses_it(deployed: Deploying) -> None:
    deployed.run(SHORT, stage=Stage.page)
    address, how, end = deployed.said[-3:]
    assert re.fullmatch(r"page: http://127\.0\.0\.1:\d+/\?token=[\w-]{43}", address)
    assert "press Ctrl-C" in how
    assert end == "the page ends, because it was not used for 0.002 minutes"


def test_an_unknown_deployment_is_an_error(deployed: Deploying) -> None:
    with pytest.raises(ConfigError, match=r"endpoint\.invoke_deployment"):
        deployed.run(SHORT, "endpoint.invoke_deployment=other", stage=Stage.page)


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("page.port=80", "page.port: must be from 1024 to 65535, got 80"),
        ("page.idle_minutes=0", "page.idle_minutes: must be above 0 and at most 1440, got 0"),
        ("page.idle_minutes=nan", "page.idle_minutes: must be above 0"),
    ],
)
def test_a_wrong_key_is_an_error(cli: Cli, override: str, fault: str) -> None:
    done = cli("stage=page", f"endpoint.name={NAME}", override)
    assert done.returncode == 1
    assert fault in done.stderr


def test_ctrl_c_ends_the_page_and_leaves_no_folder(deployed: Deploying, cli: Cli) -> None:
    outputs = deployed.folder / "outputs"
    before = sorted(outputs.rglob("*"))
    words = cli.command("stage=page", f"endpoint.name={NAME}", f"outputs_dir={outputs}")
    with subprocess.Popen(
        words, cwd=cli.folder, env=cli.environment, stdout=subprocess.PIPE, text=True
    ) as command:
        assert command.stdout
        try:
            _use(command.stdout.readline().split()[1])
        finally:
            command.send_signal(signal.SIGINT)
        assert command.stdout.read() == ""
    assert command.returncode == 0
    assert sorted(outputs.rglob("*")) == before


def _use(address: str) -> None:
    """Open the page, and send a digit."""
    origin = address.partition("/?")[0]
    with httpx.Client(base_url=origin, trust_env=False) as client:
        assert client.get(address).status_code == 200
        info = client.get("/info").json()
        assert (info["endpoint"], info["deployments"]) == (NAME, {"tff-blue": 100})
        # The example of this model has no digits, so the page shows the example.
        assert (info["samples"], info["example"]) == ([], {})
        body = json.dumps({"deployment": "tff-blue", "body": {"data": [[0] * 784]}})
        headers = {"origin": origin, "content-type": "application/json"}
        answer = client.post("/score", content=body, headers=headers).json()
        assert (answer["status"], answer["answer"]) == (200, {"digits": [7]})
