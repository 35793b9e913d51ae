import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mnist_exp.errors import JobError
from mnist_exp.snapshot import copy_snapshot, left_out, snapshot_files, snapshot_hash
from tests.support.files import write_file

Write = Callable[..., Path]


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "repository" / "code"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def write(code: Path) -> Write:
    def write_one(name: str, text: str = "", below: Path = code) -> Path:
        return write_file(below / name, text)

    return write_one


def names(code: Path) -> list[str]:
    return [path.as_posix() for path in snapshot_files(code)]


def test_everything_travels_without_an_ignore_file(code: Path, write: Write) -> None:
    for name in ("train.py", ".hidden", "sub/deep/data.txt", "with blank.py"):
        write(name)
    assert names(code) == [".hidden", "sub/deep/data.txt", "train.py", "with blank.py"]


def test_files_in_gitignore_do_not_travel(code: Path, write: Write) -> None:
    write(".gitignore", "*.log\n/build/\n# a comment\n")
    for name in ("train.py", "a.log", "sub/b.log", "build/x", "sub/build/y"):
        write(name)
    assert names(code) == [".gitignore", "sub/build/y", "train.py"]


def test_amlignore_replaces_gitignore(code: Path, write: Write) -> None:
    write(".gitignore", "*.log\n")
    write(".amlignore", "*.csv\n")
    for name in ("train.py", "a.log", "b.csv"):
        write(name)
    assert names(code) == [".amlignore", ".gitignore", "a.log", "train.py"]


def test_an_empty_amlignore_replaces_gitignore_too(code: Path, write: Write) -> None:
    write(".gitignore", "*.log\n")
    write(".amlignore")
    write("a.log")
    assert "a.log" in names(code)


def test_ignore_files_of_other_folders_are_not_read(code: Path, write: Write) -> None:
    write(".amlignore", "train.py\n", below=code.parent)
    write(".gitignore", "*.py\n", below=code.parent)
    write("sub/.gitignore", "*.py\n")
    write("train.py")
    write("sub/model.py")
    assert names(code) == ["sub/.gitignore", "sub/model.py", "train.py"]


def test_negation_brings_a_file_back(code: Path, write: Write) -> None:
    write(".amlignore", "*.txt\n!keep.txt\n/data/*\n!/data/small/\n")
    for name in ("a.txt", "keep.txt", "sub/keep.txt", "data/big.bin", "data/small/x.bin"):
        write(name)
    assert names(code) == [".amlignore", "data/small/x.bin", "keep.txt", "sub/keep.txt"]


def test_a_negated_folder_brings_all_its_files_back(code: Path, write: Write) -> None:
    # git would leave out sub/notes.md. Azure's SDK uploads the file.
    write(".amlignore", "*\n!*/\n!*.py\n")
    for name in ("train.py", "sub/model.py", "sub/notes.md", "notes.md"):
        write(name)
    assert names(code) == ["sub/model.py", "sub/notes.md", "train.py"]


def test_a_later_rule_excludes_a_file_that_an_earlier_rule_included(
    code: Path, write: Write
) -> None:
    write(".gitignore", "!*.txt\n/data\n")
    for name in ("a.txt", "data/y.txt"):
        write(name)
    assert names(code) == [".gitignore", "a.txt"]


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"*.csv\n!\n", "line 2 must be a pattern .* got '!' "),
        (b"[z-a]\n", "line 1 must be a pattern .* got '\\[z-a\\]' .*bad character range"),
        (b"a\\ \n", "line 1 must be a pattern .*a backslash must precede"),
        (b"caf\xe9\n", "must be a text file in UTF-8"),
        (None, "must be a text file, as every ignore file"),
    ],
)
def test_an_ignore_file_that_the_sdk_cannot_read_is_refused(
    code: Path, content: bytes | None, rule: str
) -> None:
    path = code / ".amlignore"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(JobError, match=rf"^{re.escape(str(path))}: {rule}"):
        snapshot_files(code)


def test_links_are_followed(code: Path, write: Write, tmp_path: Path) -> None:
    shared = write("shared/util.py", "shared", below=tmp_path)
    (code / "lib").symlink_to(shared.parent, target_is_directory=True)
    (code / "util.py").symlink_to(shared)
    copy_snapshot(code, tmp_path / "copy")
    for name in ("lib/util.py", "util.py"):
        copied = tmp_path / "copy" / name
        assert copied.read_text(encoding="utf-8") == "shared"
        assert not copied.is_symlink()
    assert not (tmp_path / "copy" / "lib").is_symlink()


def test_a_folder_and_links_to_it_all_travel(code: Path, write: Write) -> None:
    write("real/a.py")
    (code / "another").symlink_to("real", target_is_directory=True)
    (code / "zlast").symlink_to("real", target_is_directory=True)
    assert names(code) == ["another/a.py", "real/a.py", "zlast/a.py"]


def test_loops_and_broken_links_are_left_out(code: Path, write: Write) -> None:
    write("sub/a.py")
    (code / "sub" / "up").symlink_to("..", target_is_directory=True)
    (code / "self").symlink_to("self")
    (code / "broken").symlink_to("nowhere")
    write("b/x.py")
    write("c/y.py")
    (code / "b" / "c").symlink_to("../c", target_is_directory=True)
    (code / "c" / "b").symlink_to("../b", target_is_directory=True)
    assert names(code) == ["b/c/y.py", "b/x.py", "c/b/x.py", "c/y.py", "sub/a.py"]


def test_links_above_the_code_folder_are_left_out(code: Path, write: Write, tmp_path: Path) -> None:
    write("train.py")
    write("secret.txt", below=code.parent)
    write("lib/a.py", below=tmp_path / "other")
    (code / "up").symlink_to("..", target_is_directory=True)
    (code / "root").symlink_to("/", target_is_directory=True)
    (code / "lib").symlink_to(tmp_path / "other" / "lib", target_is_directory=True)
    (tmp_path / "other" / "lib" / "up").symlink_to("..", target_is_directory=True)
    (tmp_path / "other" / "lib" / "back").symlink_to(code.parent, target_is_directory=True)
    assert names(code) == ["lib/a.py", "train.py"]
    assert {str(path): what for path, what in left_out(code)} == dict.fromkeys(
        ("up", "root", "lib/up", "lib/back"), "is a link to a parent folder"
    )


def test_a_file_that_disappears_while_the_code_is_copied_is_left_out(
    code: Path, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.py", "b.py", "sub/c.py", "z.py"):
        write(name)
    copy_one = shutil.copy2

    def deletes_others(source: Path, target: Path) -> None:
        (code / "b.py").unlink(missing_ok=True)
        shutil.rmtree(code / "sub", ignore_errors=True)
        copy_one(source, target)

    monkeypatch.setattr("shutil.copy2", deletes_others)
    copy_snapshot(code, tmp_path / "copy")
    copied = sorted(path.name for path in (tmp_path / "copy").rglob("*") if path.is_file())
    assert copied == ["a.py", "z.py"]


def test_a_file_that_cannot_be_read_is_named(code: Path, tmp_path: Path) -> None:
    # Reading this file fails for every user, also for root.
    (code / "memory").symlink_to("/proc/self/mem")
    for step in (lambda: copy_snapshot(code, tmp_path / "copy"), lambda: snapshot_hash(code)):
        with pytest.raises(JobError, match=r"code/memory: must be readable, because it is part of"):
            step()


def test_a_path_with_too_many_folders_is_refused_in_one_line(code: Path, write: Write) -> None:
    folders = [code / Path(*["d"] * depth) for depth in range(1, 1201)]
    for folder in folders:
        folder.mkdir()
    assert names(code) == []
    file = write("a.py", below=folders[-1])
    with pytest.raises(JobError, match=r"must contain no path with more than 251 parts.* 1201 "):
        snapshot_files(code)
    write(".amlignore", "/d\n")
    assert names(code) == [".amlignore"]
    # pytest cannot delete such a folder.
    file.unlink()
    for folder in reversed(folders):
        folder.rmdir()


def test_the_outputs_folder_does_not_travel(code: Path, write: Write, tmp_path: Path) -> None:
    write("train.py")
    outputs = write("results/jobs/old/model.bin").parent.parent.parent
    work = outputs / "jobs" / "new" / "wd"
    copy_snapshot(code, work, leave_out=outputs)
    assert [path.name for path in work.iterdir()] == ["train.py"]


def test_modes_are_kept_and_pipes_are_not_read(code: Path, write: Write, tmp_path: Path) -> None:
    write("run.sh").chmod(0o755)
    os.mkfifo(code / "pipe")
    copy_snapshot(code, tmp_path / "copy")
    assert os.access(tmp_path / "copy" / "run.sh", os.X_OK)
    assert names(code) == ["run.sh"]


def test_a_missing_code_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"job\.code: must be a folder, got .*nowhere"):
        snapshot_files(tmp_path / "nowhere")


def test_the_hash_depends_on_names_and_contents_only(
    code: Path, write: Write, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, order in ((first, ("a.py", "sub/b.py")), (second, ("sub/b.py", "a.py"))):
        for name in order:
            write(name, f"content of {name}", below=folder)
    os.utime(first / "a.py", (1, 1))
    assert snapshot_hash(first) == snapshot_hash(second)


def test_the_hash_does_not_depend_on_ignored_files(code: Path, write: Write) -> None:
    write(".amlignore", "*.log\n")
    before = snapshot_hash(code)
    write("a.log", "noise")
    assert snapshot_hash(code) == before


@pytest.mark.parametrize("change", ["content", "name", "moved"])
def test_the_hash_changes_with_each_name_or_content(code: Path, write: Write, change: str) -> None:
    path = write("a.py", "1")
    write("b.py", "2")
    before = snapshot_hash(code)
    if change == "content":
        path.write_text("3", encoding="utf-8")
    elif change == "name":
        path.rename(code / "c.py")
    else:
        path.write_text("2", encoding="utf-8")
        write("b.py", "1")
    assert snapshot_hash(code) != before


def test_a_file_name_that_is_not_utf_8_travels(code: Path) -> None:
    Path(os.fsdecode(os.fsencode(code) + b"/\xff.py")).write_text("", encoding="utf-8")
    assert len(snapshot_hash(code)) == 64
