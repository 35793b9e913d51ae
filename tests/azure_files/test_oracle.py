"""What Azure ML's SDK accepts and refuses, which is the rule for the reader of job files."""

from pathlib import Path

import pytest
from azure.ai.ml import load_job
from marshmallow.exceptions import ValidationError

from mnist_exp.azure_files import read_job_file
from mnist_exp.errors import ConfigError
from tests.azure_files.test_job_file import COMMAND, SWEEP
from tests.support.files import write_file

pytestmark = pytest.mark.external  # Azure's SDK

ACCEPTED = {
    "command": COMMAND,
    "sweep": SWEEP,
    "literals": f"{COMMAND}inputs: {{a: true, b: 5, c: 1e-3, d: 0.5, e: text}}\n",
    "variables": f"{COMMAND}environment_variables: {{A: 1, B: true, C: x}}\n",
    "timeout in quotes": f"{COMMAND}limits: {{timeout: '30'}}\n",
    "empty output": f"{COMMAND}outputs: {{o: }}\n",
    "services": f"{COMMAND}services: {{s: {{type: vs_code}}}}\n",
}
REFUSED = {
    "unknown key": f"{COMMAND}foo: 1\n",
    "unknown resource": f"{COMMAND}resources: {{foo: 1}}\n",
    "number as a tag": f"{COMMAND}tags: {{a: 1}}\n",
    "number as a description": f"{COMMAND}description: 5\n",
    "date as an input": f"{COMMAND}inputs: {{d: 2024-01-01}}\n",
    "no command": "environment: azureml:E:1\n",
    "no environment": "command: a\n",
    "word as a timeout": f"{COMMAND}limits: {{timeout: soon}}\n",
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("text", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_both_accept(tmp_path: Path, text: str) -> None:
    write_file(tmp_path / "job.yml", text)
    load_job(tmp_path / "job.yml")
    read_job_file(tmp_path / "job.yml", {}, tmp_path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED.keys())
def test_both_refuse(tmp_path: Path, text: str) -> None:
    write_file(tmp_path / "job.yml", text)
    with pytest.raises(ValidationError):
        load_job(tmp_path / "job.yml")
    with pytest.raises(ConfigError):
        read_job_file(tmp_path / "job.yml", {}, tmp_path)
