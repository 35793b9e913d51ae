from pathlib import Path

from mnist_exp.serving.files import LOG_WINDOW, last_lines


def test_the_last_lines_of_a_short_log(tmp_path: Path):
    log = tmp_path / "log"
    log.write_text("1\n2\n3\n")
    assert last_lines(log, 2) == ["2", "3"]
    assert last_lines(log, 9) == ["1", "2", "3"]
    assert last_lines(log, 0) == []


def test_only_the_end_of_a_long_log_is_read(tmp_path: Path):
    log = tmp_path / "log"
    log.write_bytes(b"\xff" * LOG_WINDOW + b"\nlast\n")
    assert last_lines(log, 1) == ["last"]


def test_a_missing_log_has_no_lines(tmp_path: Path):
    assert last_lines(tmp_path / "none", 5) == []
