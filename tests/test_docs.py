"""Every command in the documentation exists and breaks no rule."""

import ast
import re
import shlex
from pathlib import Path

import pytest

import mnist_exp
from mnist_exp import checks
from mnist_exp.cli.arguments import flags_and_overrides
from tests.support.configs import config
from tests.support.files import write_file
from tests.support.paths import REPOSITORY

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^):]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
FLAGS = ["-m", "--multirun"]


def blocks(page: Path, language: str) -> list[str]:
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [text for kind, text in found if kind == language]


def commands(program: str) -> list[str]:
    """Return the lines of shell blocks that run a program, without comments."""
    lines = [line for page in PAGES for text in blocks(page, "sh") for line in text.splitlines()]
    return [shlex.join(words) for line in lines if (words := shlex.split(line, comments=True))
            and words[0] == program]  # fmt: skip


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the pages ask their reader to write."""
    (job,) = blocks(REPOSITORY / "docs" / "your-script.md", "yaml")
    (main,) = blocks(REPOSITORY / "docs" / "configuration.md", "yaml")
    written = {"mine/job/mine.yaml": job, "mine/main.yaml": main}
    written |= {"mine/code/fit.py": "", "DIR/x": "", "request.json": "{}"}
    for name, text in written.items():
        write_file(tmp_path / name, text)
    for name in ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZUREML_WORKSPACE_NAME"):
        monkeypatch.setenv(name, "00000000-0000-0000-0000-000000000001")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_commands_are_found() -> None:
    assert len(commands("mnist-exp")) > 40


@pytest.mark.parametrize("command", sorted(set(commands("mnist-exp"))))
def test_a_command_composes_and_breaks_no_rule(command: str, reader: Path) -> None:
    flags, overrides = flags_and_overrides(shlex.split(command)[1:])
    config_dir = (
        reader / flags[flags.index("--config-dir") + 1] if "--config-dir" in flags else None
    )
    if any(flag in flags for flag in FLAGS):
        variants = [_variant(overrides, number) for number in range(2)]
    else:
        # --help and --cfg need no stage.
        variants = [overrides or ["stage=all"]]
    for variant in variants:
        assert checks.faults(config(*variant, config_dir=config_dir)) == []


def _variant(overrides: list[str], number: int) -> list[str]:
    """Return the overrides of one variant of a multirun. No value has a comma of its own."""
    choices = [override.partition("=")[::2] for override in overrides]
    return [
        f"{key}={values[min(number, len(values) - 1)]}"
        for key, text in choices
        if (values := text.split(","))
    ]


PYTHON = [text for page in PAGES for text in blocks(page, "python") if "mnist_exp as mx" in text]


@pytest.mark.parametrize("text", PYTHON)
def test_python_uses_functions_that_exist_and_breaks_no_rule(text: str) -> None:
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    names = {call: call.func.attr for call in calls if isinstance(call.func, ast.Attribute)}
    handles = (mnist_exp.Run, mnist_exp.Model, mnist_exp.Endpoint, mnist_exp.Runs)
    known = {*mnist_exp.__all__, *(name for kind in handles for name in dir(kind))}
    assert {"train", "sweep"} <= set(names.values()) <= known
    for call, name in names.items():
        if name in ("train", "sweep"):
            values = {str(word.arg): ast.literal_eval(word.value) for word in call.keywords}
            mnist_exp.compose(f"stage={name}", *map(ast.literal_eval, call.args), **values)


@pytest.mark.soak
@pytest.mark.external
@pytest.mark.parametrize("text", PYTHON)
def test_python_runs(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(text, "page", "exec"), {"images": [[0] * 784]})


@pytest.mark.parametrize("target", sorted({
    (page.relative_to(REPOSITORY).as_posix(), target)
    for page in [*PAGES, REPOSITORY / "CONTRIBUTING.md"]
    for target in LINK.findall(page.read_text(encoding="utf-8"))
}))  # fmt: skip
def test_a_link_leads_somewhere(target: tuple[str, str]) -> None:
    page, (path, _, section) = REPOSITORY / target[0], target[1].partition("#")
    file = page.parent / path if path else page
    assert file.exists()
    assert not section or section in anchors(file)


def anchors(page: Path) -> list[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = HEADING.findall(page.read_text(encoding="utf-8"))
    return [re.sub(r"[^\w -]", "", text).lower().replace(" ", "-") for text in headings]


@pytest.mark.parametrize("command", sorted(set(commands("make"))))
def test_a_make_target_exists(command: str) -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = [word for word in shlex.split(command)[1:] if "=" not in word]
    assert all(re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE) for target in targets)


#: `file.py:Class.method` or `file.py`, below the package or the repository.
PLACE = re.compile(r"`([\w/]+\.py)(?::([\w.]+))?`")
PLACES = {
    page: sorted(set(PLACE.findall((REPOSITORY / page).read_text(encoding="utf-8"))))
    for page in ("CONTRIBUTING.md", "docs/decisions.md", "docs/packages.md")
}
#: `folder/` in the pages for developers. A name such as `figures/` may stand for a subfolder.
FOLDER = re.compile(r"`((?:[\w]+/)+)`")


def test_contributing_is_one_page_that_names_places() -> None:
    assert sum(bool(name) for _, name in PLACES["CONTRIBUTING.md"]) > 25
    assert len((REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()) < 180


@pytest.mark.parametrize("page", PLACES)
def test_a_folder_that_a_page_names_exists(page: str) -> None:
    tracked = [path for top in ("mnist_exp", "trainer", "tests", "conf", "examples")
               for path in (REPOSITORY / top, *(REPOSITORY / top).rglob("*/"))]  # fmt: skip
    known = [f"/{path.relative_to(REPOSITORY).as_posix()}/" for path in tracked]
    names = FOLDER.findall((REPOSITORY / page).read_text(encoding="utf-8"))
    assert [name for name in names if not any(one.endswith(f"/{name}") for one in known)] == []


@pytest.mark.parametrize(
    ("path", "name"), sorted({place for places in PLACES.values() for place in places})
)
def test_a_place_that_a_page_names_exists(path: str, name: str) -> None:
    files = [
        file
        for folder in ("mnist_exp", "trainer", "tests")
        for file in (REPOSITORY / folder).rglob("*.py")
        if file.relative_to(REPOSITORY).as_posix().endswith(f"/{path}")
        or file.relative_to(REPOSITORY).as_posix() == path
    ]
    assert files, path
    body = ast.parse(files[0].read_text(encoding="utf-8")).body
    for part in name.split(".") if name else ():
        (found,) = (node for node in body if getattr(node, "name", None) == part)
        body = getattr(found, "body", [])
