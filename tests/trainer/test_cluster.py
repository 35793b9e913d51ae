import json
import socket

import pytest

from digits.cluster import _listening, _reason, join_cluster
from digits.errors import ClusterError, SettingsError


def config(index=0, **cluster) -> str:
    return json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})


def test_one_process_alone_has_no_strategy(monkeypatch):
    for text in ("", "{}", config(worker=["127.0.0.1:1"]), config(worker=None)):
        monkeypatch.setenv("TF_CONFIG", text)
        cluster = join_cluster(64)
        assert cluster.strategy is None
        assert cluster.is_chief
        assert "CPU" in cluster.description
        assert cluster.mean([1.0, 2.0]) == [1.0, 2.0]
        cluster.check_same({"seed": 1})


def test_a_worker_whose_address_is_taken_is_an_error(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        monkeypatch.setenv("TF_CONFIG", config(worker=[taken, "127.0.0.1:1"]))
        with pytest.raises(ClusterError, match=f"worker 0 cannot listen at {taken}: Address"):
            join_cluster(64)


def test_a_worker_known_by_its_name_listens_where_the_others_reach_it():
    # Debian gives a machine's own name the address 127.0.1.1.
    for address in ("node-1:2222", "10.0.0.4:2222", "[fd00::4]:2222"):
        assert _listening(address)["address"] == ("", 2222)
    for own in ("127.0.0.1", "localhost"):
        assert _listening(f"{own}:2222") == {"address": (own, 2222)}
    assert _listening("[::1]:2222")["address"] == ("::1", 2222)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("no json", "TF_CONFIG cannot be read"),
        ("[]", "TF_CONFIG cannot be read"),
        (config(worker=["a:1"], ps=["b:1"]), "parameter_server_count must be 0"),
        (config(2, worker=["a:1", "b:1"]), "task.index must be below 2, got 2"),
        (
            json.dumps({"cluster": {"worker": ["a:1", "b:1"]}}),
            "task.index is missing; with 2 workers",
        ),
        (json.dumps({"cluster": {"worker": 7}}), "cluster.worker must be a list, got 7"),
        (json.dumps({"cluster": {"worker": "a:1"}}), "cluster.worker must be a list, got 'a:1'"),
        (json.dumps({"task": {"index": float("inf")}}), "TF_CONFIG cannot be read"),
        (config(worker=["a:1", "b:70000"]), "workers must be HOST:PORT, got 'b:70000'"),
    ],
)
def test_a_cluster_that_it_cannot_join_is_an_error(monkeypatch, text, fault):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(SettingsError, match=fault):
        join_cluster(64)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (
            "Connection reset by peer\n\t [[{{node while/sgd/Reduce}}]] [Op:__inference_7]",
            "Connection",
        ),
        (
            "\t [[{{node while/sgd/CollectiveReduceV2}}]] [Op:__inference__loop_422]",
            "the worker does not answer",
        ),
        ("Graph execution error:\n\nDetected at node x\nSocket closed [Op:f]", "Socket closed"),
        ("", "the worker does not answer any more"),
    ],
)
def test_a_lost_worker_is_reported_without_graph_nodes(message, reason):
    assert _reason(message).startswith(reason)
    assert "[" not in _reason(message)
