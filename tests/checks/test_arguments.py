"""Whether the job's script declares the arguments that it gets."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mnist_exp import checks
from mnist_exp.config import ArgumentStyle
from mnist_exp.experiment import Experiment
from mnist_exp.script_options import script_options
from tests.support.configs import fresh_config

DASHES = "import argparse\np.add_argument('--learning-rate')\n"
UNDERSCORES = "import argparse\np.add_argument('--learning_rate')\n"
MIXED = f"{UNDERSCORES}p.add_argument('--batch-size')\n"
LENIENT = "args, _ = p.parse_known_args()\n"
HYDRA = "import hydra\n@hydra.main(config_name='c')\ndef main(c): pass\n"
HYDRA_RENAMED = "import hydra as h\n@h.main(config_name='c')\ndef main(c): pass\n"
HYDRA_MAIN = "from hydra import main as start\n@start(config_name='c')\ndef main(c): pass\n"
OMEGACONF = "from omegaconf import OmegaConf\nc = OmegaConf.from_cli()\n"
UNKNOWN = "import library\nlibrary.main()\n"

Make = Callable[..., Experiment]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def make_one(
        script: str, style: str = "dashes", stage: str = "train", **files: str
    ) -> Experiment:
        for name, text in {"t": script, **files}.items():
            (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        config = fresh_config(f"stage={stage}")
        config.job.code, config.job.script = str(tmp_path), "t.py"
        config.job.inputs = {"learning_rate": 0.1, "batch_size": 8}
        config.job.outputs = {}
        config.job.argument_style = ArgumentStyle(style)
        config.sources.clear()
        return config

    return make_one


@pytest.mark.parametrize(
    ("script", "style"),
    [
        (DASHES, "dashes"),
        (UNDERSCORES, "underscores"),
        (DASHES + UNDERSCORES, "dashes"),
        (DASHES + UNDERSCORES, "underscores"),
        ("p.add_argument('--learning-rate-of-sgd')\n", "dashes"),
        (HYDRA, "key_value"),
        (OMEGACONF, "key_value"),
        ("from hydra import compose\nfrom own import main\nmain()\n", "dashes"),
        (UNKNOWN, "dashes"),
        (UNKNOWN, "underscores"),
        (UNKNOWN, "key_value"),
        ("not python (", "dashes"),
    ],
)
def test_a_fitting_or_unknown_style_is_no_fault(make: Make, script: str, style: str) -> None:
    assert checks.faults(make(script, style)) == []


@pytest.mark.parametrize(
    ("script", "style", "remedy"),
    [
        (UNDERSCORES, "dashes", "set job.argument_style=underscores"),
        (UNDERSCORES + LENIENT, "dashes", "set job.argument_style=underscores"),
        (DASHES, "underscores", "set job.argument_style=dashes"),
        (DASHES, "key_value", "set job.argument_style=dashes"),
        (HYDRA_RENAMED, "dashes", "set job.argument_style=key_value"),
        (HYDRA_MAIN, "dashes", "set job.argument_style=key_value"),
        (HYDRA, "dashes", "set job.argument_style=key_value"),
        (OMEGACONF, "underscores", "set job.argument_style=key_value"),
        (MIXED, "dashes", "or use job.command"),
        (
            "flags.DEFINE_float('learning_rate', 0.1, '')\n",
            "dashes",
            "job.argument_style=underscores",
        ),
    ],
)
def test_another_spelling_is_one_line_with_the_remedy(
    make: Make, script: str, style: str, remedy: str
) -> None:
    (line,) = checks.faults(make(script, style))
    assert line.startswith("job.argument_style: t.py ")
    assert line.endswith(remedy)


def test_a_module_beside_the_script_may_declare_the_options(make: Make) -> None:
    (line,) = checks.faults(make("from options import p\n", options=UNDERSCORES))
    assert "t.py declares --learning_rate, but would get --learning-rate" in line


@pytest.mark.parametrize("stage", ["train", "sweep"])
def test_an_argument_that_is_silently_ignored_is_a_warning(make: Make, stage: str) -> None:
    config = make(DASHES + LENIENT, stage=stage)
    config.sweep.search_space = {"drop_out": {"type": "choice", "values": [0.1]}}
    found = [line for line in checks.warnings(config) if "parse_known_args" in line]
    names = ["batch_size", "drop_out"] if stage == "sweep" else ["batch_size"]
    assert [line.partition(":")[0] for line in found] == [f"job.inputs.{name}" for name in names]


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("p.parse_known_intermixed_args()", "parse_known_intermixed_args"),
        (
            "import click\n@click.command(context_settings={'ignore_unknown_options': True})",
            "ignore_unknown_options",
        ),
        ("import typer\ntyper.T(context_settings=dict(ignore_unknown_options=True))", ""),
        ("from absl import flags\nflags.FLAGS(argv, known_only=True)", "known_only"),
        ("p.parse_args_into_dataclasses(return_remaining_strings=True)", ""),
    ],
)
def test_each_way_to_ignore_unknown_options_is_found(make: Make, call: str, name: str) -> None:
    suffix = "\ndef main(): pass\n" if "@" in call else "\n"
    lines = list(checks.warnings(make(f"{DASHES}{call}{suffix}")))
    (found,) = [line for line in lines if "ignores undeclared options" in line]
    assert found.startswith("job.inputs.batch_size: t.py does not declare --batch-size")
    assert name in found
    off = call.replace("True", "False")
    lines = list(checks.warnings(make(f"{DASHES}{off}{suffix}"))) if off != call else []
    assert not [line for line in lines if "ignores undeclared options" in line]


FIELDS = (
    "from dataclasses import dataclass\n@dataclass\nclass Args:\n  learning_rate: float = 0.1\n"
)
FUNCTION = "def main(learning_rate: float = 0.1, *names): pass\n"


@pytest.mark.parametrize(
    ("script", "lenient"),
    [
        (
            f"from transformers import HfArgumentParser\n{FIELDS}"
            "HfArgumentParser(Args).parse_args_into_dataclasses(return_remaining_strings=True)\n",
            "return_remaining_strings",
        ),
        (f"import tyro\n{FIELDS}tyro.cli(Args, return_unknown_args=True)\n", "return_unknown_args"),
        (
            f"import typer\napp = typer.Typer()\n@app.command(context_settings="
            f"{{'ignore_unknown_options': True}})\n{FUNCTION}app()\n",
            "ignore_unknown_options",
        ),
        (
            f"from simple_parsing import ArgumentParser\n{FIELDS}p = ArgumentParser()\n"
            "p.add_arguments(Args, 'args')\np.parse_known_args()\n",
            "parse_known_args",
        ),
        (f"import fire\n{FUNCTION.replace('*', '**')}fire.Fire(main)\n", "**kwargs"),
        ("import tyro\nfrom fields import Args\ntyro.cli(Args, return_unknown_args=True)\n", ""),
    ],
)
def test_options_that_a_library_derives_are_found(make: Make, script: str, lenient: str) -> None:
    lines = list(checks.warnings(make(script, fields=FIELDS)))
    (found,) = [line for line in lines if "ignores undeclared options" in line]
    assert found.startswith("job.inputs.batch_size: t.py does not declare --batch-size")
    assert lenient in found
    # A class of a library may have the field.
    more = f"{script}from transformers import TrainingArguments\n"
    assert not [line for line in checks.warnings(make(more)) if "undeclared" in line]
    # A strict script fails by itself.
    strict = script.replace("=True", "=False").replace("': True", "': False")
    strict = strict.replace("parse_known_args", "parse_args").replace("**", "*")
    assert not [line for line in checks.warnings(make(strict)) if "undeclared" in line]


@pytest.mark.parametrize(
    ("script", "is_warned"),
    [
        ("import os\nos.environ['A'] = '1'\nloss = 'sparse_categorical_crossentropy'\n", True),
        ("from own import fit\nfit(0.1)\n", True),
        ("from mlflow import MlflowClient\n", True),
        ("from own import fit\nfit(0.1)\nimport reader\n", False),
        ("import os\nlr = os.environ['AZUREML_PARAMETER_lr']\n", False),
        (UNKNOWN, False),
        ("from lightning.pytorch.cli import LightningCLI\nLightningCLI()\n", False),
    ],
)
def test_a_script_that_reads_no_argument_is_a_warning(
    make: Make, script: str, is_warned: bool
) -> None:
    config = make(script, own="def fit(rate): pass\n", reader="import sys\nprint(sys.argv)\n")
    lines = [line for line in checks.warnings(config) if "its command line" in line]
    expected = (
        "job.script: t.py does not read its command line, so the values of learning_rate, "
        "batch_size may have no effect"
    )
    assert lines == [expected] * is_warned


def test_a_text_that_a_script_would_take_for_an_option_is_a_warning(make: Make) -> None:
    config = make(DASHES)
    config.job.script, config.job.command = None, "t --note {{inputs.note}} --x={{inputs.x}}"
    config.job.inputs = {"note": "-5e-05", "x": "-a"}
    found = [line for line in checks.warnings(config) if "begins with a minus sign" in line]
    assert [line.partition(":")[0] for line in found] == ["job.inputs.note"]


def test_an_argument_that_argparse_reads_as_a_longer_option_is_a_warning(make: Make) -> None:
    lines = list(checks.warnings(make(DASHES.replace("--learning-rate", "--learning-rate-decay"))))
    (found,) = [line for line in lines if "argparse reads" in line]
    assert found.startswith("job.inputs.learning_rate: t.py does not declare --learning-rate")
    assert "--learning-rate-decay" in found
    exact = "import argparse\np = argparse.ArgumentParser(allow_abbrev=False)\n"
    for script in (DASHES, exact + "p.add_argument('--learning-rate-decay')\n"):
        assert not [line for line in checks.warnings(make(script)) if "argparse reads" in line]


def test_our_trainer_declares_its_arguments() -> None:
    config = fresh_config("stage=sweep")
    options = script_options(Path(config.job.code or ""), config.job.script or "")
    assert options.accepts("--first-layer-neurons")
    assert not options.lenient
    assert not [line for line in checks.warnings(config) if "parse_known_args" in line]
