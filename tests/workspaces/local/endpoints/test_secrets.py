from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from mnist_exp.config import AuthMode, KeyName
from mnist_exp.errors import MnistExpError
from mnist_exp.specs import EndpointSpec
from tests.workspaces.local.endpoints.bench import Bench

NAME = "digits-endpoint"
RAISES = "def init(): pass\ndef run(raw_data): raise ValueError(raw_data)"


def test_the_key_file_is_readable_to_its_owner_alone(bench: Bench):
    assert (bench.root / NAME / "keys.json").stat().st_mode & 0o777 == 0o600


def test_no_key_is_in_any_other_file_command_line_environment_or_error(bench: Bench):
    old = bench.endpoints.keys(NAME)
    mode = AuthMode.aml_token
    bench.endpoints.create_or_update(
        EndpointSpec(NAME, auth_mode=mode, regenerate_key=KeyName.secondary)
    )
    keys = bench.endpoints.keys(NAME)
    secrets = [keys.primary, keys.secondary, old.secondary, keys.token]
    assert len({*secrets, ""}) == 5
    texts = [repr(keys), str(bench.endpoints.get(NAME))]
    bench.deploy(RAISES)
    for deployment in ("blue", "green"):
        with pytest.raises(MnistExpError) as caught:
            bench.endpoints.invoke(NAME, b"x", deployment)
        texts.append(repr(caught.getrepr(showlocals=False)))
    pids = [process.pid for process in bench.servers()]
    assert len(pids) == 2
    texts += [
        Path(f"/proc/{pid}/{name}").read_text() for pid in pids for name in ("cmdline", "environ")
    ]
    files = [path for path in bench.folder.rglob("*") if path.is_file()]
    texts += [str(path.read_bytes()) for path in files if path.name != "keys.json"]
    assert len(files) > 8
    assert not [text for text in texts for secret in secrets if secret in text]


def test_keys_of_another_endpoint_and_cut_ones_are_401(bench: Bench):
    bench.deploy()
    bench.endpoints.create_or_update(EndpointSpec("another"))
    own, other = bench.endpoints.keys(NAME), bench.endpoints.keys("another")
    uri = bench.endpoints.get(NAME).scoring_uri
    wrong = [other.primary, other.secondary, own.primary[:-1], own.primary + "A", "*"]
    for key in wrong:
        headers = {"authorization": f"Bearer {key}"}
        assert httpx.post(uri, headers=headers, trust_env=False).status_code == 401
    bench.endpoints.delete("another")


def test_nothing_listens_on_any_address_but_loopback(bench: Bench):
    bench.deploy(instance_count=2)
    pids = [process.pid for process in bench.servers()]
    connections = [one for pid in pids for one in psutil.Process(pid).net_connections("inet")]
    listening = {one.laddr for one in connections if one.status == psutil.CONN_LISTEN}
    port = urlsplit(bench.endpoints.get(NAME).scoring_uri).port
    assert listening == {("127.0.0.1", port)}


def test_the_control_socket_is_its_owners_alone(bench: Bench):
    assert (bench.root / NAME / "front.sock").stat().st_mode & 0o777 == 0o600


def test_a_damaged_key_file_is_not_quoted(bench: Bench):
    bench.deploy()
    keys = bench.endpoints.keys(NAME)
    file = bench.root / NAME / "keys.json"
    file.write_text(f'{{"primary": "{keys.primary}", oops')
    with pytest.raises(MnistExpError, match=r"keys\.json: must be a file as") as caught:
        bench.endpoints.invoke(NAME, b"1", "blue")
    assert keys.primary not in str(caught.getrepr(style="native"))
    file.unlink()
    with pytest.raises(MnistExpError, match=r"keys\.json: gone"):
        bench.endpoints.invoke(NAME, b"1", "blue")
