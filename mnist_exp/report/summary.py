"""The summary of a stage that has ended, and the overview of several stages."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from mnist_exp.config import FigureFormat, Stage
from mnist_exp.records import Record, shown_path
from mnist_exp.report.advice import (
    Repeated,
    how_to_call,
    how_to_see_in_mlflow,
    job_commands,
    next_command,
)
from mnist_exp.report.format import (
    accuracy_interval,
    duration,
    number,
    pairs,
    plain,
    trial_label,
)
from mnist_exp.report.layout import (
    new_table,
    print_line,
    print_table,
    styled_status,
    table_width,
    wrapped,
)
from mnist_exp.report.trial_tables import ranking_table
from mnist_exp.status import JobStatus
from mnist_exp.traffic import traffic_text

#: Minimum width of the labels on the left, in characters.
_LABEL_WIDTH = 12
#: The ends of the names of figures.
_FIGURES = tuple(f".{format_.value}" for format_ in FigureFormat)


def print_summary(record: Record, console: Console, repeated: Repeated | None = None) -> None:
    """Print the result of a stage, the paths of its files, and the next command.

    Args:
        record: The record of the stage, which has ended.
        console: The console to print on.
        repeated: The parts of this command that the next command also needs. If None, no command is
            printed.
    """
    if record.trials:
        print_table(console, ranking_table(record, table_width(console)))
        console.print()
    print_line(console, _headline(record))
    facts, files = list(_facts(record)), list(_files(record.paths))
    width = max([_LABEL_WIDTH, *(len(label) + 2 for label, _ in (*facts, *files))])
    for label, value in facts:
        print_line(console, _labelled(label, _wrapped(value, console, width), width=width))
    # A path or a command with line breaks could not be copied. Without a label, the value is a list
    # of names.
    for label, value in files:
        shown = value if label else _wrapped(value, console, width)
        print_line(console, _labelled(label, shown, width=width))
    for label, value in (*_calls(record), *_mlflow_ui(record)):
        print_line(console, _labelled(label, value, width=width))
    for warning in record.warnings:
        text = _wrapped(plain(warning), console, width)
        print_line(console, _labelled("warning", text, "yellow", width))
    if repeated is not None:
        commands = job_commands(record, repeated)
        if command := next_command(record, repeated):
            commands = {"next": command}
        for label, command in commands.items():
            print_line(console, _labelled(label, command, "bold", width))


def print_overview(records: Sequence[Record], console: Console) -> None:
    """Print a table of the stages of one command, and the paths of their figures."""
    table = new_table()
    for heading in ("stage", "status", "time"):
        table.add_column(heading, no_wrap=True, justify="right" if heading == "time" else "left")
    table.add_column("result", ratio=1, overflow="fold")
    for record in records:
        table.add_row(
            record.stage.value,
            styled_status(record.status.value),
            duration(record.duration_s),
            Text(plain(record.why) or _result(record)),
        )
    console.print()
    console.print(table)
    for record in records:
        for label, value in _figures(record.paths):
            print_line(console, _labelled(label, value))


def _headline(record: Record) -> Text:
    return Text.assemble(
        (record.stage.value, "bold"),
        "  ",
        styled_status(record.status.value),
        f" in {duration(record.duration_s)}  " if record.duration_s is not None else "  ",
        (plain(record.name), "dim"),
    )


def _labelled(label: str, value: str, style: str = "", width: int = _LABEL_WIDTH) -> Text:
    return Text.assemble((f"  {label:<{width}}", "dim"), (value, style))


def _facts(record: Record) -> Iterator[tuple[str, str]]:
    if record.why:
        yield "why", plain(record.why)
    if record.compute:
        yield "compute", pairs({k: v for k, v in record.compute.items() if _is_plain(v)})
    if record.best:
        yield "best", f"{_result(record)} with {pairs(record.best.get('parameters', {}))}"
    elif record.parameters:
        yield "parameters", pairs(record.parameters)
    yield from _insights(record.insights)
    if record.metrics:
        yield "metrics", pairs(record.metrics)
    if record.model:
        yield "model", _model(record.model)
    if record.endpoint and record.stage is not Stage.all:
        yield "endpoint", _endpoint(record.endpoint)
    if record.predictions:
        yield "predictions", _predictions(record.predictions)
    yield from _failed_trials(record)


def _wrapped(value: str, console: Console, width: int) -> str:
    """Return a value that the terminal breaks only between words."""
    return wrapped(value, console, len(_labelled("", "", width=width).plain))


def _files(paths: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the label and the path of each file, then the figures."""
    for name, path in paths.items():
        if name != "mlflow" and not path.endswith(_FIGURES):
            yield plain(name).replace("_", " "), shown_path(path)
    yield from _figures(paths)


def _figures(paths: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each folder with figures, and then the names of the figures in this folder."""
    found: dict[str, list[str]] = {}
    for path in paths.values():
        if path.endswith(_FIGURES):
            found.setdefault(str(Path(path).parent), []).append(Path(path).name)
    for folder, names in found.items():
        if len(names) == 1:
            yield "figure", shown_path(str(Path(folder, names[0])))
        else:
            yield "figures", shown_path(folder)
            yield "", "  ".join(names)


def _calls(record: Record) -> Iterator[tuple[str, str]]:
    for index, line in enumerate(how_to_call(record)):
        yield "" if index else "call it", line


def _mlflow_ui(record: Record) -> Iterator[tuple[str, str]]:
    for index, line in enumerate(how_to_see_in_mlflow(record)):
        yield "" if index else "in MLflow", line


def _is_plain(value: Any) -> bool:
    # Leave out values that are lists. The only list in `record.compute` is `notes`, and the stage
    # has already printed the notes.
    return value is not None and not isinstance(value, list | tuple)


def _insights(insights: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if winner := insights.get("winner"):
        yield "won with", plain(str(winner))
    if savings := insights.get("savings"):
        yield "saved", plain(str(savings))
    if late := insights.get("late"):
        yield "ran on", plain(str(late))
    if isinstance(epoch := insights.get("resumed_from"), int):
        yield "resumed", f"from epoch {epoch}"
    if speed := _speed(insights.get("speed")):
        yield "speed", speed
    if importance := insights.get("importance"):
        shares = ", ".join(f"{plain(name)} {share:.0%}" for name, share in importance.items())
        basis = insights.get("importance_of")
        yield "importance", f"{shares}  (of {plain(str(basis))})" if basis else shares


def _speed(speed: Any) -> str:
    """Return the speed that the trainer reported; empty if the data has another format.

    A user's script may write other data to the same file.
    """
    try:
        # The trainer cannot measure images_per_second in a training run with only one step.
        is_known = "images_per_second" in speed
        rate = f"{speed['images_per_second']:,.0f} images/s " if is_known else ""
        return plain(
            f"{rate}on {speed['device']}, {speed['path']}; "
            f"first step {speed['seconds_to_first_step']:.1f} s after the process started"
        )
    except (TypeError, LookupError, ValueError):
        return ""


def _model(model: Mapping[str, Any]) -> str:
    return plain(f"{model.get('name')}:{model.get('version')}")


def _endpoint(endpoint: Mapping[str, Any]) -> str:
    traffic = traffic_text(endpoint.get("traffic", {}))
    shares = f" ({traffic})" if traffic else ""
    return plain(f"{endpoint.get('name')}{shares} {endpoint.get('scoring_uri') or ''}")


def _predictions(predictions: Mapping[str, Any]) -> str:
    if "predicted" not in predictions:
        return plain(_json(predictions.get("answer", "")))[:200]
    answers = " ".join(_json(answer) for answer in predictions["predicted"])
    if not predictions.get("actual"):
        return plain(answers)
    right, samples = _right_answers(predictions)
    interval = accuracy_interval(right, samples)
    return plain(f"{answers}  ({right} of {samples} right; {interval})")


def _right_answers(predictions: Mapping[str, Any]) -> tuple[int, int]:
    """Return the number of right answers, and the number of samples with a known digit."""
    actual = predictions.get("actual") or ()
    pairs_of = zip(predictions.get("predicted", ()), actual, strict=False)
    return sum(str(answer) == str(digit) for answer, digit in pairs_of), len(actual)


def _json(answer: Any) -> str:
    """Return an answer as JSON, or the text itself if the answer is text."""
    return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)


def _result(record: Record) -> str:
    """Return the main result of a stage that completed."""
    if record.best:
        label = trial_label(str(record.best["name"]), record.name)
        return f"trial {label}: {number(record.best.get('value'))}"
    if record.stage is Stage.cleanup:
        return f"{plain(record.name)} deleted"
    if record.predictions and record.predictions.get("actual"):
        right, samples = _right_answers(record.predictions)
        return f"{right} of {samples} samples right"
    if record.metrics:
        return _model(record.model) if record.model else pairs(record.metrics)
    if record.endpoint:
        return _endpoint(record.endpoint)
    return plain(record.name)


def _failed_trials(record: Record) -> Iterator[tuple[str, str]]:
    """Yield the reason of each group of failed trials, and the log of the group's first trial."""
    failed: dict[str, list[Mapping[str, Any]]] = {}
    for trial in record.trials:
        if trial["status"] == JobStatus.FAILED.value:
            failed.setdefault(plain(str(trial.get("why") or "")), []).append(trial)
    for why, trials in failed.items():
        labels = [trial_label(str(trial["name"]), record.name) for trial in trials]
        word = "trial" if len(labels) == 1 else "trials"
        yield "failed", f"{word} {', '.join(labels)}{': ' if why else ''}{why}"
        if log := trials[0].get("log"):
            yield "", f"the log of trial {labels[0]}: {shown_path(log)}"
