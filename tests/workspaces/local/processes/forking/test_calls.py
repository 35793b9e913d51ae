import shlex

import pytest

from mnist_exp.workspaces.local.processes.forking.analysis import python_call


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("python train.py", ["train.py"]),
        ("python3 sub/train.py --lr 0.1 --on", ["sub/train.py", "--lr", "0.1", "--on"]),
        (
            "python t.py --name 'two words' --path=/a/b",
            ["t.py", "--name", "two words", "--path=/a/b"],
        ),
        ("  python   t.py  ", ["t.py"]),
        (f"python t.py {shlex.quote(chr(39) + '$x; *')}", ["t.py", "'$x; *"]),
    ],
)
def test_a_plain_call_of_a_script_is_recognised(command: str, words: list[str]) -> None:
    assert python_call(command, {}) == words


@pytest.mark.parametrize(
    "command",
    [
        "bash train.sh",
        "python",
        "python -u train.py",
        "python -m train",
        "python train",
        "python train.py; echo done",
        "python train.py && python score.py",
        "python train.py > out.txt",
        "python train.py --lr $LR",
        "python train.py --files *.csv",
        'python train.py --name "$USER"',
        "python train.py `date`",
        "LR=1 python train.py",
        "python train.py\nls",
        "python train.py ~/data",
        "/usr/bin/python train.py",
    ],
)
def test_everything_else_is_left_to_the_shell(command: str) -> None:
    assert python_call(command, {}) is None


@pytest.mark.parametrize("name", ["PYTHONPATH", "PYTHONHOME", "PYTHONWARNINGS", "PYTHONSTARTUP"])
def test_variables_that_python_reads_at_its_start_need_a_start(name: str) -> None:
    assert python_call("python t.py", {"PYTHONUNBUFFERED": "1"}) == ["t.py"]
    assert python_call("python t.py", {name: "x"}) is None
