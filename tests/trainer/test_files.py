import pytest

from digits.errors import SettingsError
from digits.files import make_writable_folder, replaced_file, replaced_folder


def test_a_file_appears_only_when_it_is_whole(tmp_path):
    target = tmp_path / "new" / "file"
    with replaced_file(target) as aside:
        aside.write_text("half")
        assert not target.exists()
    assert target.read_text() == "half"
    assert list(target.parent.iterdir()) == [target]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(OSError, match="full"), replaced_file(target) as aside:
        aside.write_text("new")
        raise OSError("full")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_takes_the_place_of_the_old_one(tmp_path):
    target = tmp_path / "model"
    for content in ("old", "new"):
        with replaced_folder(target) as aside:
            (aside / content).write_text(content)
    assert [path.name for path in target.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [target]


def test_a_failed_folder_leaves_the_old_one(tmp_path):
    target = tmp_path / "model"
    target.mkdir()
    (target / "old").touch()
    with pytest.raises(OSError, match="full"), replaced_folder(target) as aside:
        (aside / "new").touch()
        raise OSError("full")
    assert [path.name for path in target.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_in_the_place_of_a_folder_is_an_error_with_the_remedy(tmp_path):
    (tmp_path / "outputs").write_text("")
    fault = f"it goes to the folder {tmp_path / 'outputs'} cannot be written .*; choose"
    with pytest.raises(SettingsError, match=fault):
        make_writable_folder(tmp_path / "outputs", "it goes to", "choose")


def test_a_folder_of_another_user_is_an_error(tmp_path):
    # Nobody may write there, root included.
    (tmp_path / "outputs").symlink_to("/proc")
    with pytest.raises(SettingsError, match="cannot be written"):
        make_writable_folder(tmp_path / "outputs", "it goes to", "choose")


def test_a_writable_folder_is_created_and_stays_empty(tmp_path):
    folder = tmp_path / "a" / "b"
    make_writable_folder(folder, "it goes to", "choose")
    assert list(folder.iterdir()) == []
