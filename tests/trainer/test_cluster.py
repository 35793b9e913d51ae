import json

import pytest

from cluster import join_cluster
from errors import SettingsError


def config(index=0, **cluster) -> str:
    return json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})


def test_one_process_alone_has_no_strategy(monkeypatch):
    for text in ("", "{}", config(worker=["127.0.0.1:1"]), config(worker=None)):
        monkeypatch.setenv("TF_CONFIG", text)
        cluster = join_cluster(64)
        assert cluster.strategy is None
        assert cluster.is_chief
        assert "CPU" in cluster.description


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("no json", "TF_CONFIG cannot be read"),
        ("[]", "TF_CONFIG cannot be read"),
        (config(worker=["a:1"], ps=["b:1"]), "parameter_server_count must be 0"),
        (config(2, worker=["a:1", "b:1"]), "task.index must be below 2, got 2"),
        (json.dumps({"cluster": {"worker": ["a:1", "b:1"]}}), "must name task.index, one of 2"),
        (json.dumps({"cluster": {"worker": 7}}), "TF_CONFIG cannot be read"),
        (config(worker=["a:1", "b:70000"]), "must name workers as HOST:PORT, got 'b:70000'"),
    ],
)
def test_a_cluster_that_it_cannot_join_is_an_error(monkeypatch, text, fault):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(SettingsError, match=fault):
        join_cluster(64)
