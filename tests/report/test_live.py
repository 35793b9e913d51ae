import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.console import Console

from mnist_exp.report.live import LiveObserver
from mnist_exp.report.trial_tables import live_table, visible_trials
from mnist_exp.results import JobResult, TrialResult
from mnist_exp.status import JobStatus
from tests.support.sample_results import (
    CODES,
    METRIC,
    WHY,
    at_interval,
    command_job,
    pipe,
    sweep_job,
    terminal,
    written,
)


def ticking(step: float) -> Callable[[], float]:
    """Return a clock that advances by `step` seconds at each reading."""
    now = [0.0]

    def clock() -> float:
        now[0] += step
        return now[0]

    return clock


def run_job(console: Console, clock: Callable[[], float], epochs: int = 20) -> list[str]:
    with LiveObserver(console, METRIC, epochs, clock=clock) as observer:
        for status in (JobStatus.QUEUED, JobStatus.PREPARING):
            observer.job_changed(JobResult("train_1", status))
        for epoch in range(1, epochs + 1):
            job = command_job(epochs, JobStatus.RUNNING)
            metrics = {name: points[:epoch] for name, points in job.metrics.items()}
            observer.job_changed(replace(job, metrics=metrics))
        observer.job_changed(command_job(epochs))
    return written(console).splitlines()


def run_sweep(console: Console, clock: Callable[[], float]) -> list[str]:
    job = sweep_job()
    with LiveObserver(console, METRIC, 20, clock=clock) as observer:
        for interval in range(1, 21):
            observer.job_changed(at_interval(job, interval))
        observer.job_changed(job)
    return written(console).splitlines()


def test_a_pipe_gets_each_status_and_some_epochs():
    lines = run_job(pipe(), ticking(0.5))
    assert lines[:3] == ["train_1: Queued", "train_1: Preparing", "train_1: Running"]
    assert lines[-1].startswith("train_1: Completed: training_acc=")
    assert "test_acc=0.94" in lines[-1]
    epochs = [int(match[1]) for line in lines if (match := re.search(r"epoch (\d+)/20", line))]
    assert epochs[:3] == [1, 5, 9]


def test_a_pipe_gets_every_epoch_of_a_slow_job():
    lines = run_job(pipe(), ticking(5))
    assert sum("epoch" in line for line in lines) == 20


def test_a_pipe_gets_no_control_codes_and_no_line_is_broken():
    for lines in (run_job(pipe(40), ticking(0.5)), run_sweep(pipe(40), ticking(0.5))):
        assert not any("\x1b" in line or "\r" in line for line in lines)
        assert any(len(line) > 40 for line in lines)


def test_a_pipe_gets_the_start_reason_and_end_of_each_trial():
    lines = run_sweep(pipe(), ticking(0.5))
    assert lines[0] == "sweep_1: Running"
    assert lines[-1].startswith("sweep_1: Completed")
    assert "trial 0: Running: batch_size=" in "\n".join(lines)
    # Two trials were cut for the same reason, which is printed once.
    assert f"trial 3 Canceled: {WHY}" in lines
    assert "trial 5 Failed: exit code 1" in lines
    assert [line for line in lines if line.startswith("trial 0: Completed: best 0.")]
    assert [line for line in lines if re.match(r"trial \d: epoch \d+/20: validation_acc", line)]


def test_a_reason_is_printed_only_once():
    console, job = pipe(), sweep_job(4)
    with LiveObserver(console, METRIC) as observer:
        observer.message(f"trial 3 {WHY}")
        observer.job_changed(job)
    assert written(console).count(WHY) == 1
    console = pipe()
    with LiveObserver(console, METRIC) as observer:
        observer.job_changed(job)
        observer.message(f"trial 3 {WHY}")
    assert written(console).count(WHY) == 1


@pytest.mark.parametrize("make", [pipe, terminal])
def test_messages_are_printed_as_they_are(make: Callable[[], Console]):
    console = make()
    text = "data: [bold]not markup[/bold] :smile: " + "x" * 90
    with LiveObserver(console) as observer:
        observer.message("")
        observer.message(f"{text}\x1b[2J")
        observer.message(text)
    assert CODES.sub("", written(console)).splitlines() == ["", text, text]


def test_trials_that_fail_for_the_same_reason_say_why_once():
    console = pipe()
    trials = [TrialResult(f"sweep_1_{n}", JobStatus.FAILED, {}, why="exit code 1") for n in (0, 1)]
    with LiveObserver(console, METRIC) as observer:
        observer.job_changed(
            JobResult("sweep_1", JobStatus.FAILED, trials=trials, why="all failed")
        )
    text = written(console)
    assert text.count("exit code 1") == 1
    assert text.splitlines()[-1] == "sweep_1: Failed"


def test_a_terminal_gets_a_bar_that_disappears_at_the_end():
    console = terminal()
    run_job(console, ticking(1))
    text = written(console)
    assert "20/20 epochs" in text
    assert "validation_acc=0.949" in text
    # The cursor is hidden, shown again, and the last picture is erased.
    assert text.index("\x1b[?25l") < text.index("\x1b[?25h")
    assert text.rstrip().endswith("\x1b[2K")


@pytest.mark.parametrize(("library", "name"), [("TensorFlow", "TensorFlow"), ("", "the script")])
def test_a_terminal_shows_what_a_job_starts_before_its_first_interval(library: str, name: str):
    waiting = JobResult("train_1", JobStatus.RUNNING, library=library)
    trial = TrialResult("sweep_1_0", JobStatus.RUNNING, {"x": 1})
    for job in (waiting, replace(waiting, trials=[trial])):
        console = terminal()
        with LiveObserver(console, METRIC, 20) as observer:
            observer.job_changed(job)
        assert f"starting {name} " in CODES.sub("", written(console))
        assert "0/20 epochs" not in written(console)
    console = terminal()
    with LiveObserver(console, "", 20) as observer:
        observer.job_changed(waiting)
    assert "starting" not in written(console)


def test_a_terminal_erases_the_picture_when_an_error_ends_the_job():
    console = terminal()
    with pytest.raises(KeyboardInterrupt), LiveObserver(console, METRIC, 20) as observer:
        observer.job_changed(command_job(5, JobStatus.RUNNING))
        raise KeyboardInterrupt
    assert written(console).rstrip().endswith("\x1b[2K")
    assert "5/20 epochs" in written(console)


def test_a_terminal_shows_trials_in_a_table_and_reasons_above():
    console = terminal()
    run_sweep(console, ticking(1))
    text = CODES.sub("", written(console))
    assert f"trial 3 Canceled: {WHY}" in text
    assert "8 of 8 trials have ended, best: trial" in text
    assert re.search(r"\n +5 +Failed +\d+", text)


def test_the_time_of_a_running_trial_advances_without_values():
    now, console = [0.0], terminal(width=100)
    trial = TrialResult("sweep_1_0", JobStatus.RUNNING, {"x": 1}, duration_s=2.0)
    ended = TrialResult("sweep_1_1", JobStatus.COMPLETED, {"x": 1}, duration_s=3.0)
    with (
        pytest.raises(KeyboardInterrupt),
        LiveObserver(console, METRIC, 20, clock=lambda: now[0]) as observer,
    ):
        observer.job_changed(JobResult("sweep_1", JobStatus.RUNNING, trials=[trial, ended]))
        now[0] = 50.0
        raise KeyboardInterrupt
    picture = CODES.sub("", written(console)).rpartition("trial ")[2]
    assert "52.0 s" in picture
    assert "3.0 s" in picture


def test_a_dumb_terminal_gets_plain_lines():
    console = terminal(environ={"TERM": "dumb"})
    lines = run_job(console, ticking(1))
    assert lines[0] == "train_1: Queued"
    assert not CODES.search(written(console))


def test_no_color_keeps_the_text():
    console = terminal(no_color=True)
    run_sweep(console, ticking(1))
    assert "\x1b[32m" not in written(console)
    assert "Completed" in written(console)


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("trials", [8, 100])
def test_the_live_table_fits_the_terminal(width: int, trials: int):
    console = pipe(width)
    console.print(live_table(sweep_job(trials), width, 15, 20))
    lines = written(console).splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) <= 15 + 5
    assert ("more trials are not shown" in lines[-1]) == (trials > 15)
    # Every trial is one line, in the same columns at every width.
    heading = next(index for index, line in enumerate(lines) if line.startswith("──"))
    assert lines[heading - 1].split()[:2] == ["trial", "status"]
    rows = [line.split() for line in lines[heading + 1 : heading + 1 + min(trials, 15)]]
    assert all(row[1] in ("Completed", "Canceled", "Failed") for row in rows)
    assert ("not shown: learning_rate" in written(console)) == (width == 60)


def test_running_trials_and_the_best_are_shown_before_others():
    job = sweep_job(50)
    running = {7, 11}
    trials = [
        replace(trial, status=JobStatus.RUNNING) if index in running else trial
        for index, trial in enumerate(job.trials)
    ]
    job = replace(job, trials=trials, best="sweep_1_2")
    names = [trial.name for trial in visible_trials(job, 5)]
    assert names == ["sweep_1_2", "sweep_1_7", "sweep_1_11", "sweep_1_48", "sweep_1_49"]
    assert len(visible_trials(job, 0)) == 1


def test_statuses_and_names_are_complete_if_there_is_room():
    job = sweep_job(2)
    trials = [
        replace(
            trial,
            status=JobStatus.CANCEL_REQUESTED,
            parameters={"lr_x": 0.0123, "sub": '{"kind":"a","x":0.7899228425858561}'},
        )
        for trial in job.trials
    ]
    console = pipe(80)
    console.print(live_table(replace(job, trials=trials), 80, 20))
    for words in ("CancelRequested", "lr_x", "{kind=a x=0.7899}"):
        assert words in written(console)


def test_a_terminal_shows_the_maximum_number_of_trials():
    console, job = terminal(), sweep_job(4)
    with LiveObserver(console, METRIC, 20, trials=9) as observer:
        observer.job_changed(replace(job, status=JobStatus.RUNNING))
    ended = sum(trial.status.is_finished for trial in job.trials)
    line = f"{ended} of at most 9 trials have ended"
    assert line in CODES.sub("", written(console))
