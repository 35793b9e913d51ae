from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.cells import cell_len

from mnist_exp.config import Stage
from mnist_exp.records import Record
from mnist_exp.report.advice import Repeated
from mnist_exp.report.summary import print_overview, print_summary
from mnist_exp.status import JobStatus
from tests.support.sample_results import (
    CODES,
    WHY,
    pipe,
    record,
    sweep_record,
    terminal,
    written,
)

ENDPOINT = {
    "name": "tff-dnn-endpoint-0123abcd",
    "scoring_uri": "http://127.0.0.1:5001/score",
    "traffic": {"tff-blue": 100},
    "deployments": [],
}


def summary(ended: Record, overrides: Sequence[str] = (), width: int = 80) -> str:
    console = pipe(width)
    print_summary(ended, console, Repeated(overrides))
    return written(console)


def test_a_training_run_in_a_few_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    text = summary(
        record(
            parameters={"batch_size": 64, "learning_rate": 0.0123456},
            metrics={"validation_acc": 0.95, "test_acc": 0.9412345},
            paths={"log": "/var/log.txt", "learning_curves": str(tmp_path / "outputs/curves.png")},
            warnings=["NC6 is retired [since] 2023"],
        )
    )
    assert text.splitlines() == [
        "train  Completed in 12.3 s  train_1",
        "  parameters  batch_size=64 learning_rate=0.01235",
        "  metrics     validation_acc=0.95 test_acc=0.9412",
        "  log         /var/log.txt",
        "  figure      outputs/curves.png",
        "  warning     NC6 is retired [since] 2023",
        "  next        mnist-exp stage=register run=train_1",
    ]


def test_a_job_shows_the_way_to_mlflows_ui(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    page = "http://127.0.0.1:5000/#/experiments/1/runs?workflowType=machine_learning"
    paths = {"folder": str(tmp_path / "my outputs" / "jobs" / "train_1"), "mlflow": page}
    lines = summary(record(paths=paths)).splitlines()
    assert lines[1:4] == [
        "  folder      my outputs/jobs/train_1",
        "  in MLflow   mlflow ui --backend-store-uri 'sqlite:///my outputs/mlflow.db'",
        f"              {page}",
    ]
    assert "MLflow" not in summary(record(paths={"folder": "azureml://jobs/train_1"}))


def test_a_training_run_shows_its_speed_and_the_resumed_epoch():
    speed = {
        "images_per_second": 12345.6,
        "device": "CPU (2 cores)",
        "path": "general path",
        "seconds_to_first_step": 1.94,
    }
    text = summary(record(insights={"speed": speed, "resumed_from": 27}), width=200)
    assert "from epoch 27" in text
    assert (
        "12,346 images/s on CPU (2 cores), general path; first step 1.9 s after the process started"
        in text
    )


@pytest.mark.parametrize("odd", ["fast", 7, [], {}, None, {"images_per_second": "many"}])
def test_an_unknown_format_of_the_speed_is_ignored(odd: object):
    text = summary(record(insights={"speed": odd, "resumed_from": odd if odd != 7 else "7"}))
    assert "speed" not in text
    assert "resumed" not in text


def test_a_failed_stage_says_why_and_suggests_nothing():
    text = summary(
        record(status=JobStatus.FAILED, why="exit code 1: \x1b[31mboom", paths={"log": "/x/log"})
    )
    assert "train  Failed in 12.3 s" in text
    assert "exit code 1: boom" in text
    assert "/x/log" in text
    assert "next" not in text


def test_a_sweep_ranks_its_trials_and_the_best_comes_last():
    text = summary(sweep_record())
    lines = text.splitlines()
    assert lines[0].startswith("rank  trial  status")
    rows = [line.split() for line in lines[2:10]]
    assert [row[0] for row in rows] == [str(place) for place in range(8, 0, -1)]
    best = [float(row[-2]) for row in rows]
    assert best == sorted(best)
    assert lines[10:12] == ["", "sweep  Completed in 12.3 s  sweep_1"]
    assert lines[12].startswith("  best        trial 6: 0.9419 with batch_size=")
    # The reasons why early termination cut trials have been printed while the sweep ran.
    assert WHY not in text
    assert lines[13:15] == [
        "  failed      trial 5: exit code 1",
        "              the log of trial 5: /jobs/sweep_1_5/user_logs/std_log.txt",
    ]
    assert lines[-1].endswith("mnist-exp stage=register run=sweep_1")


def test_the_ranking_of_many_trials_contains_the_ten_best():
    text = summary(sweep_record(40))
    rows = [line.split() for line in text.split("\n\n")[0].splitlines()[2:12]]
    assert [row[0] for row in rows] == [str(place) for place in range(10, 0, -1)]
    assert "30 more trials, which run.json also lists" in text
    assert len(text.splitlines()) < 22


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("added", [0, 1, 8])
def test_each_trial_of_the_ranking_is_one_line_at_every_width(width: int, added: int):
    more = {f"dropout_{index}": 0.125 for index in range(added)} | {"optimiser": "größer大"}
    ended = sweep_record()
    trials = [{**one, "parameters": {**one["parameters"], **more}} for one in ended.trials]
    console = terminal(width)
    print_summary(ended.with_changes(trials=trials), console)
    table = CODES.sub("", written(console)).split("\n\n")[0].splitlines()
    assert max(map(cell_len, table)) <= width
    (line,) = [index for index, text in enumerate(table) if text.startswith("─")]
    assert [row.split()[0] for row in table[line + 1 : line + 9]] == [*"87654321"]
    omitted = " ".join(table[line + 9 :]).replace(",", "").split()
    assert omitted[:2] in ([], ["not", "shown:"])
    # The parameters that differ between trials have their columns first.
    assert not {"batch_size", "batch_"} & {*omitted}


def test_a_terminal_breaks_a_summary_between_words():
    ended = record(insights={"savings": "word " * 40}, warnings=["long " * 40])
    console = terminal(60)
    print_summary(ended, console)
    lines = CODES.sub("", written(console)).splitlines()
    assert max(map(len, lines)) <= 60
    known = {"saved", "word", "warning", "long"}
    found = [line for line in lines if {"word", "long"} & {*line.split()}]
    assert {word for line in found for word in line.split()} == known
    assert len([line for line in found if line.startswith(" " * 14)]) == len(found) - 2


def test_figures_of_one_folder_are_on_one_line():
    paths = {"folder": "/jobs/a", "sweep": "/runs/figures/sweep.png", "log": "/jobs/a/log.txt"}
    text = summary(record(paths={**paths, "curves": "/runs/figures/best.svg"}))
    assert text.splitlines()[1:5] == [
        "  folder      /jobs/a",
        "  log         /jobs/a/log.txt",
        "  figures     /runs/figures",
        "              sweep.png  best.svg",
    ]
    console = terminal(30)
    print_summary(record(paths={**paths, "curves": "/runs/figures/best.svg"}), console)
    assert CODES.sub("", written(console)).splitlines()[-2:] == [
        " " * 14 + "sweep.png",
        " " * 14 + "best.svg",
    ]


def test_a_minimized_metric_is_ranked_from_below_and_ties_keep_their_order():
    entries = [
        {"name": f"sweep_1_{i}", "status": "Completed", "parameters": {}, "best": value, "last": 1}
        for i, value in enumerate([0.5, None, 0.2, 0.2])
    ]
    best = {"name": "sweep_1_2", "value": 0.2, "parameters": {}}
    text = summary(record(Stage.sweep, trials=entries, best=best))
    rows = [line.split()[:2] for line in text.splitlines()[2:6]]
    assert rows == [["-", "1"], ["3", "0"], ["2", "3"], ["1", "2"]]


def test_a_sweep_without_a_best_trial_cannot_be_registered():
    text = summary(sweep_record().with_changes(best=None))
    assert "rank" in text
    assert "next" not in text


def test_a_deployment_shows_how_to_call_it_without_its_key():
    text = summary(
        record(
            Stage.deploy,
            name=ENDPOINT["name"],
            model={"name": "run-model-example", "version": "3"},
            endpoint=ENDPOINT,
            paths={"keys": "/data/my keys.json", "request": "/data/request.json"},
        )
    )
    assert "run-model-example:3" in text
    assert "tff-dnn-endpoint-0123abcd (tff-blue 100 %) http://127.0.0.1:5001/score" in text
    assert "[\"primary\"])' < '/data/my keys.json')" in text
    assert "printf 'Authorization: Bearer %s' \"$KEY\" | curl --noproxy 127.0.0.1 -H @- " in text
    assert "-d @/data/request.json http://127.0.0.1:5001/score" in text
    assert text.splitlines()[-1].endswith("mnist-exp stage=invoke")


def test_on_azure_the_key_comes_from_the_azure_command():
    text = summary(record(Stage.deploy, name="mine", workspace="azure", endpoint=ENDPOINT))
    assert "KEY=$(az ml online-endpoint get-credentials --name mine" in text
    assert text.splitlines()[-1].endswith("mnist-exp stage=invoke workspace=azure")


def test_predictions_are_counted():
    predictions = {"predicted": [7, 2, 1], "actual": [7, 2, 4], "wrong": 1}
    text = summary(record(Stage.invoke, endpoint=ENDPOINT, predictions=predictions))
    assert "7 2 1  (2 of 3 right; 3 samples are few: 95 % interval " in text
    assert "stage=cleanup" in text
    own = summary(record(Stage.invoke, predictions={"answer": {"label": "sieben", "sure": True}}))
    assert '{"label": "sieben", "sure": true}' in own
    several = summary(record(Stage.invoke, predictions={"predicted": [{"a": None}, "b", 3]}))
    assert '{"a": null} b 3' in several


def test_a_compute_target_and_a_cleanup_are_named():
    compute = {"name": "gpu-cluster", "type": "amlcompute", "size": None, "notes": []}
    text = summary(record(Stage.compute, compute=compute))
    assert "name=gpu-cluster type=amlcompute\n" in text
    assert "next" not in summary(record(Stage.cleanup, endpoint=ENDPOINT))


def test_the_next_command_repeats_the_overrides_that_matter():
    text = summary(record(), ["outputs_dir=my runs", "run=other", "stage=train"])
    assert "mnist-exp stage=register run=train_1 'outputs_dir=my runs'\n" in text


def test_long_lines_are_not_broken_for_copying():
    path = "/" + "very_long_folder/" * 12 + "curves.png"
    assert path in summary(record(paths={"curves": path}), width=40)


def test_colours_are_for_terminals_that_want_them():
    assert "\x1b" not in summary(sweep_record())
    colours, none = terminal(), terminal(no_color=True)
    for console in (colours, none):
        print_summary(record(), console)
    assert "\x1b[32mCompleted" in written(colours)
    assert "\x1b[32m" not in written(none)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_overview_has_a_row_for_each_stage_and_all_figures(width: int):
    console = pipe(width)
    records = [
        record(Stage.compute, compute={"name": "local"}, name="local"),
        record(metrics={"test_acc": 0.94}, paths={"curves": "/x/curves.png", "log": "/x/log"}),
        sweep_record(paths={"sweep": "/x/sweep.png"}),
        record(Stage.register, model={"name": "m", "version": "1"}, metrics={"test_acc": 0.9}),
        record(Stage.deploy, endpoint=ENDPOINT),
        record(Stage.invoke, predictions={"predicted": [7, 2, 1], "actual": [7, 2, 4]}),
        record(Stage.invoke, status=JobStatus.FAILED, why="endpoint: no answer"),
        record(Stage.cleanup, name="tff", endpoint=ENDPOINT),
    ]
    print_overview(records, console)
    lines = written(console).splitlines()
    text = "\n".join(lines)
    assert [line.split()[0] for line in lines if " s " in line] == [
        one.stage.value for one in records
    ]
    for words in ("test_acc=0.94", "trial ", "m:1", "(tff-blue 100 %)", "no answer", "tff deleted"):
        assert words in text
    assert "2 of 3 samples right" in text
    assert "  figure      /x/curves.png" in lines
    assert "  figure      /x/sweep.png" in lines
    assert "/x/log" not in text
    assert max(map(len, lines)) <= width
