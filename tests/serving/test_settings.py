import json
from dataclasses import asdict
from pathlib import Path

from mnist_exp.serving.settings import SETTINGS_FILE, Settings, load_settings


def test_the_paths_of_a_worker_follow_a_moved_revision(tmp_path: Path):
    variables = {
        "AML_APP_ROOT": "/before/1/code",
        "AZUREML_MODEL_DIR": "/before/1/azureml-models/digits/2",
        "PATH": "/before/1/environment/bin:/usr/bin:/opt/before/1/bin:/before/1/bin",
        "VIRTUAL_ENV": "/before/1/environment",
        "MINE": "/before/1/code",
    }
    command = ["/before/1/environment/bin/python", "-P", "-m", "module"]
    settings = Settings({"scoring_script": "score.py"}, variables, command=command)
    (tmp_path / SETTINGS_FILE).write_text(json.dumps(asdict(settings)))
    moved = load_settings(tmp_path)
    assert moved.command == [str(tmp_path / "environment/bin/python"), "-P", "-m", "module"]
    assert moved.variables == {
        "AML_APP_ROOT": str(tmp_path / "code"),
        "AZUREML_MODEL_DIR": str(tmp_path / "azureml-models" / "digits" / "2"),
        "PATH": f"{tmp_path}/environment/bin:/usr/bin:/opt/before/1/bin:{tmp_path}/bin",
        "VIRTUAL_ENV": str(tmp_path / "environment"),
        "MINE": "/before/1/code",
    }
