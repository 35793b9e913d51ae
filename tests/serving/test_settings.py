import json
from dataclasses import asdict
from pathlib import Path

from mnist_exp.serving.settings import SETTINGS_FILE, Settings, load_settings


def test_the_paths_of_a_worker_follow_a_moved_revision(tmp_path: Path):
    variables = {
        "AML_APP_ROOT": "/before/1/code",
        "AZUREML_MODEL_DIR": "/before/1/azureml-models/digits/2",
        "MINE": "/before/1/code",
    }
    settings = Settings({"scoring_script": "score.py"}, variables)
    (tmp_path / SETTINGS_FILE).write_text(json.dumps(asdict(settings)))
    assert load_settings(tmp_path).variables == {
        "AML_APP_ROOT": str(tmp_path / "code"),
        "AZUREML_MODEL_DIR": str(tmp_path / "azureml-models" / "digits" / "2"),
        "MINE": "/before/1/code",
    }
