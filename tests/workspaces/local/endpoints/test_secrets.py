from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from mnist_exp.config import AuthMode, KeyName
from mnist_exp.errors import MnistExpError
from mnist_exp.specs import EndpointSpec
from tests.support.scripted_endpoint import NAME, ScriptedEndpoint

RAISES = "def init(): pass\ndef run(raw_data): raise ValueError(raw_data)"


def test_only_the_owner_can_read_the_key_file(echoing: ScriptedEndpoint):
    assert (echoing.root / NAME / "keys.json").stat().st_mode & 0o777 == 0o600


def test_no_key_appears_outside_the_key_file(scripted: ScriptedEndpoint):
    old = scripted.endpoints.keys(NAME)
    mode = AuthMode.aml_token
    scripted.endpoints.create_or_update(
        EndpointSpec(NAME, auth_mode=mode, regenerate_key=KeyName.secondary)
    )
    keys = scripted.endpoints.keys(NAME)
    secrets = [keys.primary, keys.secondary, old.secondary, keys.token]
    assert len({*secrets, ""}) == 5
    texts = [repr(keys), str(scripted.endpoints.get(NAME))]
    scripted.deploy(RAISES)
    for deployment in ("blue", "green"):
        with pytest.raises(MnistExpError) as caught:
            scripted.endpoints.invoke(NAME, b"x", deployment)
        texts.append(repr(caught.getrepr(showlocals=False)))
    pids = [process.pid for process in scripted.servers()]
    assert len(pids) == 2
    texts += [
        Path(f"/proc/{pid}/{name}").read_text() for pid in pids for name in ("cmdline", "environ")
    ]
    files = [path for path in scripted.folder.rglob("*") if path.is_file()]
    texts += [str(path.read_bytes()) for path in files if path.name != "keys.json"]
    assert len(files) > 8
    assert not [text for text in texts for secret in secrets if secret in text]


def test_wrong_keys_are_refused(echoing: ScriptedEndpoint):
    echoing.endpoints.create_or_update(EndpointSpec("another"))
    own, other = echoing.endpoints.keys(NAME), echoing.endpoints.keys("another")
    uri = echoing.endpoints.get(NAME).scoring_uri
    wrong = [other.primary, other.secondary, own.primary[:-1], own.primary + "A", "*"]
    for key in wrong:
        headers = {"authorization": f"Bearer {key}"}
        assert httpx.post(uri, headers=headers, trust_env=False).status_code == 401
    echoing.endpoints.delete("another")


def test_an_endpoint_listens_only_on_loopback(scripted: ScriptedEndpoint):
    scripted.deploy(instance_count=2)
    pids = [process.pid for process in scripted.servers()]
    connections = [one for pid in pids for one in psutil.Process(pid).net_connections("inet")]
    listening = {one.laddr for one in connections if one.status == psutil.CONN_LISTEN}
    port = urlsplit(scripted.endpoints.get(NAME).scoring_uri).port
    assert listening == {("127.0.0.1", port)}


def test_only_the_owner_can_use_the_control_socket(echoing: ScriptedEndpoint):
    assert (echoing.root / NAME / "front.sock").stat().st_mode & 0o777 == 0o600


def test_an_error_does_not_quote_a_damaged_key_file(scripted: ScriptedEndpoint):
    scripted.deploy()
    keys = scripted.endpoints.keys(NAME)
    file = scripted.root / NAME / "keys.json"
    file.write_text(f'{{"primary": "{keys.primary}", oops')
    with pytest.raises(MnistExpError, match=r"keys\.json: must be unchanged") as caught:
        scripted.endpoints.invoke(NAME, b"1", "blue")
    assert keys.primary not in str(caught.getrepr(style="native"))
    file.unlink()
    with pytest.raises(MnistExpError, match=r"keys\.json: must exist"):
        scripted.endpoints.invoke(NAME, b"1", "blue")
