"""Compiled programs that runs leave for each other."""

import os

import pytest

from programs import share_programs


def test_a_run_at_another_rate_takes_what_was_compiled_and_computes_the_same(new_job, tmp_path):
    folder = tmp_path / "programs"
    common = ("--epochs", "1", "--checkpoints", "checkpoints", "--first-layer-neurons", "16")
    alone = new_job(*common, "--learning-rate", "0.05")
    assert alone.finish().code == 0
    for rate in ("0.1", "0.05"):
        job = new_job(*common, "--learning-rate", rate)
        assert job.finish(XLA_PROGRAMS_FOLDER=str(folder)).code == 0
        assert len(list(folder.iterdir())) == 1
    assert job.history() == alone.history()


@pytest.mark.parametrize(
    ("folder", "flags", "expected"),
    [
        (None, None, None),
        (None, "--mine", "--mine"),
        ("/a b", None, None),
        ("/a", "--tf_xla_persistent_cache_directory=/b", "--tf_xla_persistent_cache_directory=/b"),
    ],
)
def test_flags_of_the_users_own_stay(monkeypatch, folder, flags, expected):
    for name, value in (("XLA_PROGRAMS_FOLDER", folder), ("TF_XLA_FLAGS", flags)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    share_programs()
    assert os.environ.get("TF_XLA_FLAGS") == expected
