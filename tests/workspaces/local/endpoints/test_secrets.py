from pathlib import Path

import pytest

from mnist_exp.errors import MnistExpError
from tests.workspaces.local.endpoints.bench import Bench

NAME = "digits-endpoint"
RAISES = "def init(): pass\ndef run(raw_data): raise ValueError(raw_data)"


def test_the_key_file_is_readable_to_its_owner_alone(bench: Bench):
    assert (bench.root / NAME / "keys.json").stat().st_mode & 0o777 == 0o600


def test_no_key_is_in_any_other_file_command_line_environment_or_error(bench: Bench):
    keys = bench.endpoints.keys(NAME)
    secrets = [keys.primary, keys.secondary]
    texts = [repr(keys), str(bench.endpoints.get(NAME))]
    bench.deploy(RAISES)
    for deployment in ("blue", "green"):
        with pytest.raises(MnistExpError) as caught:
            bench.endpoints.invoke(NAME, b"x", deployment)
        texts.append(repr(caught.getrepr(showlocals=False)))
    pid = bench.record().process.pid
    texts += [Path(f"/proc/{pid}/{name}").read_text() for name in ("cmdline", "environ")]
    files = [path for path in bench.folder.rglob("*") if path.is_file()]
    texts += [str(path.read_bytes()) for path in files if path.name != "keys.json"]
    assert len(files) > 8
    assert not [text for text in texts for secret in secrets if secret in text]


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
