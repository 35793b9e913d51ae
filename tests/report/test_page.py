"""report.html: its order, its safety, its size, and the page in a browser."""

import html
import json
import math
import re
import shlex
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from mnist_exp.config import Stage
from mnist_exp.metrics import MetricPoint
from mnist_exp.records import Record
from mnist_exp.report.comparison import ComparedVariant
from mnist_exp.report.page import report_page, save_curves, write_multirun_report
from mnist_exp.report.page.content import page_content, train_command
from mnist_exp.report.page.curves import MAX_POINTS, thinned
from mnist_exp.report.page.files import JournalReader, RunFiles, run_files
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.journal import Created, Decided, Ended, Entry, Logged, Resumed, Started

HOSTILE = "</script><script>document.title='injected'</script>"


def sweep(trials: int, intervals: int) -> tuple[Record, RunFiles]:
    """Return a sweep: every third trial was cut, and every fifth trial failed without a value."""
    journal: list[Entry] = [Created(sweep={"objective": {"goal": "maximize"}})]
    entries = []
    for index in range(trials):
        status = "Failed" if index % 5 == 4 else "Canceled" if index % 3 == 2 else "Completed"
        count = {"Failed": 0, "Canceled": (intervals + 1) // 2, "Completed": intervals}[status]
        values = [math.nan if step == 1 else (index + step) / 7 for step in range(count)]
        journal.append(Started(trial=index, at=index))
        points = [MetricPoint("acc", value, 0, index) for value in values]
        journal += [Logged(point=point, at=index) for point in points]
        journal.append(Ended(trial=index, status=status, at=index + 3))
        best = max((value for value in values if not math.isnan(value)), default=None)
        entry = {"name": f"sweep_{index}", "status": status, "best": best, "last": best}
        entry |= {"parameters": {"rate": (index + 1) / 1e3, "kind": "a"}, "duration_s": 3.0}
        cut = count if status == "Canceled" else None
        entries.append(entry | {"events": count, "cut": cut, "why": HOSTILE})
    top = max(entries, key=lambda entry: entry["best"] or 0, default=None)
    best = top and {**top, "value": top["best"], "metrics": {}}
    record = Record(
        Stage.sweep,
        "sweep",
        JobStatus.COMPLETED,
        "",
        primary_metric="acc",
        trials=entries,
        best=best,
    )
    return record, RunFiles(journal)


def content(page: str) -> dict[str, object]:
    """Return the JSON that the page contains."""
    found = re.search(r'id="content">(.*?)</script>', page, re.DOTALL)
    assert found
    return dict(json.loads(found[1]))


class Elements(HTMLParser):
    """The start tags of a page, and its sections in their order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sections: list[str | None] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Add a tag."""
        self.tags.append(tag)
        if tag == "section":
            self.sections.append(dict(attrs)["id"])


def test_the_page_has_its_parts_in_order_and_text_of_the_run_adds_no_element() -> None:
    record, files = sweep(8, 4)
    hostile = {"name": HOSTILE, "log_tail": [HOSTILE], "parameters": {HOSTILE: HOSTILE}}
    page = report_page(record.with_changes(**hostile), files)
    elements = Elements(page)
    order = "answer savings parallel curves panels importance table timeline best config journal"
    assert elements.sections == order.split()
    assert elements.tags.count("script") == 2
    assert content(page)["log_tail"] == [HOSTILE]
    assert page == report_page(record.with_changes(**hostile), files)


def test_the_page_is_small() -> None:
    assert len(report_page(*sweep(40, 10)).encode()) < 100_000
    assert len(report_page(*sweep(1000, 100)).encode()) < 2_000_000


def test_a_long_curve_keeps_its_first_best_cut_and_last_points() -> None:
    values = [(at, 1.0 if at == 777 else 0.5) for at in range(1, 1001)]
    kept = thinned(values, "maximize", cut=333)
    assert len(kept) <= MAX_POINTS
    assert {1, 777, 333, 1000} <= {at for at, _ in kept}
    lowest = [(at, 0.0 if at == 778 else value) for at, value in values]
    assert 778 in dict(thinned(lowest, "minimize"))
    assert len(thinned([(at, math.nan) for at in range(500)])) <= MAX_POINTS


def test_the_journal_gives_curves_times_and_events() -> None:
    record, files = sweep(1, 3)
    again = [Resumed(again=(0,), at=5), Started(trial=0, at=6)]
    more = [Logged(point=MetricPoint("acc", 0.25), at=7), Decided(0, None, HOSTILE, at=8)]
    journal = [*files.journal, *again, *more, Ended(0, "Failed", at=9)]
    found = page_content(record, RunFiles(journal))
    assert found["trials"][0]["curve"] == [[1, 0.25]]
    assert found["trials"][0]["span"] == [6, 9]
    assert [8, f"trial 0: {HOSTILE}"] in found["journal"]
    assert page_content(*sweep(1, 3))["trials"][0]["curve"][1] == [2, None]


def test_a_command_repeats_the_flags_and_the_overrides_without_those_of_the_sweep() -> None:
    record = Record(Stage.sweep, "s", JobStatus.COMPLETED, "")
    overrides = ["stage=sweep", "sweep=grid", "++sweep.limits.timeout=9", "run=x", "wait=false"]
    overrides += ["seed=3", "sweeper=mine"]
    record = record.with_changes(flags=["--config-dir", "mine"], overrides=overrides)
    texts = {"kind": "it's \\ $a", "null": "Null", "optimizer": "adam_w"}
    command = train_command(record, {"rate": 0.5, **texts})
    words = shlex.split(command)
    assert words[:4] == ["mnist-exp", "--config-dir", "mine", "stage=train"]
    assert words[4:7] == ["seed=3", "sweeper=mine", "++job.inputs.rate=0.5"]
    assert words[9] == "++job.inputs.optimizer=adam_w"
    parsed = OverridesParser.create().parse_overrides(words[7:])
    assert [override.value() for override in parsed] == list(texts.values())


def test_the_goal_comes_from_the_record_and_then_from_the_journal() -> None:
    record, files = sweep(3, 2)
    assert page_content(record.with_changes(goal="minimize"))["goal"] == "minimize"
    assert page_content(record, files)["goal"] == "maximize"
    assert page_content(record)["goal"] == ""


@pytest.mark.external
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
@pytest.mark.parametrize(
    ("fragment", "trials"), [("", 8), ("#top=3&pin=sweep_7", 3), ("#status=Failed", 1)]
)
def test_a_browser_draws_the_page_without_a_message(
    tmp_path: Path, fragment: str, trials: int
) -> None:
    record, files = sweep(8, 4)
    found = _opened(tmp_path, report_page(record, files), fragment)
    assert f"{trials} of 8 trials" in found.stdout
    rows = re.findall(r'<tr class="([^"]*)" data-trial', found.stdout)
    assert len(rows) == 8
    assert sum("hidden" not in row for row in rows) == trials
    assert "CONSOLE" not in found.stderr


@pytest.mark.external
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
@pytest.mark.parametrize(
    ("goal", "order"), [("minimize", [0, 2, 1]), ("maximize", [1, 2, 0]), ("", [0, 1, 2])]
)
def test_an_azure_sweep_is_ranked_by_its_goal_and_has_no_unknown_savings(
    tmp_path: Path, goal: str, order: list[int]
) -> None:
    entry = {"status": "Canceled", "parameters": {"rate": 0.1}, "cut": None}
    trials = [
        {"name": f"a_{i}", "best": best, **entry} for i, best in enumerate([0.123456789, 3, 2])
    ]
    record = Record(Stage.sweep, "a", JobStatus.COMPLETED, "", workspace="azure", trials=trials)
    record = record.with_changes(goal=goal, primary_metric="loss")
    # The filter `top` needs a goal.
    found = _opened(tmp_path, report_page(record), "#top=3" if goal else "#top=1").stdout
    assert [int(index) for index in re.findall(r'aria-label="Pin trial (\d)"', found)] == order
    assert re.search(r'<section id="savings" hidden="">', found)
    assert 'title="0.123456789">0.123457</td>' in found
    # Each trial is a triangle of the panel and a point of the parallel coordinates.
    assert found.count('<path class="mark bad"') == 3


@pytest.mark.external
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_a_trial_is_pinned_by_its_button_which_keeps_the_focus(tmp_path: Path) -> None:
    page = re.sub("<meta http-equiv[^>]*>", "", report_page(*sweep(8, 4)))
    button = "document.querySelector('[aria-label=\"Pin trial 5\"]')"
    script = (
        f"{button}.focus(); document.activeElement.click();"
        f"{button}.textContent += document.activeElement === {button} ? ' focused' : ''"
    )
    found = _opened(tmp_path, f"{page}<script>{script}</script>").stdout
    (pressed,) = re.findall(r'<button [^>]*aria-pressed="true"[^>]*>([^<]*)<', found)
    assert pressed == "5 focused"
    # The marks of the trial, which was cut, are crosses.
    assert re.search('<path class="mark cut [a-z ]*pinned"', found)
    assert re.search('<rect class="bar cut [a-z ]*pinned"', found)


@pytest.mark.external
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_a_browser_draws_a_failed_run_and_an_empty_sweep(tmp_path: Path) -> None:
    failed = Record(Stage.train, "t", JobStatus.FAILED, "", why=HOSTILE, log_tail=[HOSTILE])
    failed = failed.with_changes(parameters={HOSTILE: HOSTILE})
    for record in (failed, failed.with_changes(stage=Stage.sweep, primary_metric="acc")):
        found = _opened(tmp_path, report_page(record))
        assert "The run has no value of a metric." in found.stdout.rpartition("<script")[0]
        assert "<title>injected" not in found.stdout
        assert "CONSOLE" not in found.stderr


@pytest.mark.external
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_a_brush_hides_the_other_trials_and_draws_nothing_again(tmp_path: Path) -> None:
    script = (
        "const lines = () => [...document.querySelectorAll('#parallel polyline')];"
        "const before = lines();"
        "const box = document.querySelector('[data-focus=\"axis rate\"]');"
        "for (let i = 0; i < 10; i++) box.dispatchEvent("
        "new KeyboardEvent('keydown', {key: 'ArrowUp'}));"
        "update(); writeFragment();"
        "document.title = [lines().every((line, i) => line === before[i]),"
        "lines().filter((line) => !line.matches('.hidden')).length,"
        "document.querySelectorAll('#table tbody tr:not(.hidden)').length, location.hash].join(' ')"
    )
    title = _title(tmp_path, report_page(*sweep(8, 4)), script)
    # The upper half of the axis has the rates of trials 4 to 7.
    assert title == "true 4 4 #brush.rate=0.5%7E1"


@pytest.mark.external
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_the_pointer_highlights_a_trial_in_all_charts(tmp_path: Path) -> None:
    script = (
        "const line = document.querySelector('#curves [data-trial=sweep_3]');"
        "line.dispatchEvent(new PointerEvent('pointermove', {bubbles: true}));"
        "document.title = [document.querySelectorAll('svg .hovered').length > 3,"
        "document.querySelectorAll('tr.hovered').length, section('tip').textContent].join(' ')"
    )
    title = _title(tmp_path, report_page(*sweep(8, 4)), script)
    assert title.startswith("true 1 trial 3: Completed, acc 0.8571")


@pytest.mark.external
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
@pytest.mark.parametrize("width", [390, 1400])
def test_a_page_has_no_sideways_scroll(tmp_path: Path, width: int) -> None:
    record, files = sweep(8, 4)
    long = {"name": "sweep_" * 20, "log_tail": ["word" * 100]}
    page = re.sub("<meta http-equiv[^>]*>", "", report_page(record.with_changes(**long), files))
    # A window of the browser cannot be as narrow as a telephone, but a frame can.
    frame = f'<iframe width="{width}" height="800" srcdoc="{html.escape(page)}"></iframe>'
    script = (
        "const frame = document.querySelector('iframe');"
        "frame.onload = () => { const page = frame.contentDocument.scrollingElement;"
        "document.title = [page.scrollWidth <= page.clientWidth, page.clientWidth > 300]; }"
    )
    found = _opened(tmp_path, f"<head><title></title></head>{frame}<script>{script}</script>")
    assert "<title>true,true</title>" in found.stdout


@pytest.mark.external
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_the_keyboard_reaches_each_control(tmp_path: Path) -> None:
    script = (
        "const focusable = [...document.querySelectorAll('form *, button, summary, [tabindex]')]"
        ".filter((one) => one.tabIndex >= 0 && !one.closest('[hidden]'));"
        "const labels = focusable.map((one) => one.ariaLabel || one.labels?.[0]?.textContent ||"
        " one.textContent);"
        "document.title = [focusable.length > 30, labels.every((name) => name.trim()),"
        "document.querySelectorAll('[onclick]').length].join(' ')"
    )
    assert _title(tmp_path, report_page(*sweep(8, 4)), script) == "true true 0"


@pytest.mark.external
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_the_table_sorts_by_a_column(tmp_path: Path) -> None:
    script = (
        "const button = document.querySelector('[data-focus=\"column 0\"]');"
        "button.click(); button.click();"
        "document.title = [...document.querySelectorAll('.pin')].map((one) => one.textContent)"
    )
    assert _title(tmp_path, report_page(*sweep(4, 4)), script) == "3,2,1,0"


@pytest.mark.external
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_a_page_shows_the_curves_of_a_training_run_and_that_it_runs(tmp_path: Path) -> None:
    save_curves(
        {
            "acc": [MetricPoint("acc", value) for value in (0.5, math.nan, 0.75)],
            "loss": [MetricPoint("loss", math.nan)] * 2,
            "once": [MetricPoint("once", 1)],
        },
        tmp_path,
    )
    record = Record(Stage.train, "t", JobStatus.RUNNING, "", primary_metric="acc")
    files = run_files(record, tmp_path, JournalReader())
    assert files.curves == {"acc": [(1, 0.5), (2, None), (3, 0.75)], "loss": [(1, None), (2, None)]}
    found = _opened(tmp_path, report_page(record, files))
    body = found.stdout.rpartition("<script")[0]
    assert body.count("<polyline") == 1
    assert "All values are NaN or infinite." in body
    assert '<p id="progress">This page was written while the job was running.' in body
    assert "mnist-exp stage=cancel run=t" in body
    assert "CONSOLE" not in found.stderr


@pytest.mark.external
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_the_table_has_the_end_of_the_log_of_a_failed_trial(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text(f"{'x' * 5000}\n\x1b[31mred\x1b[0m\n{HOSTILE}\n")
    record, _ = sweep(5, 2)
    trials = [{**trial, "log": str(tmp_path / "log.txt")} for trial in record.trials]
    record = record.with_changes(trials=trials)
    files = run_files(record, tmp_path, JournalReader())
    assert files.log_tails["sweep_4"][1:] == ["red", HOSTILE]
    assert list(files.log_tails) == ["sweep_4"]
    found = _opened(tmp_path, report_page(record, files)).stdout.rpartition("<script")[0]
    assert found.count("end of the log</summary>") == 1
    assert "red\n&lt;/script&gt;" in found


@pytest.mark.external
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
@pytest.mark.parametrize("values", [[], [math.nan], [math.nan, math.nan], [0.5]])
def test_a_browser_draws_a_sweep_without_values_and_with_one_epoch(
    tmp_path: Path, values: list[float]
) -> None:
    entry = {"name": "s_0", "status": "Canceled", "parameters": {"x": 1}, "why": "canceled"}
    trials = [{**entry, "best": None, "cut": None}]
    record = Record(Stage.sweep, "s", JobStatus.CANCELED, "", primary_metric="acc", trials=trials)
    points = [Logged(point=MetricPoint("acc", value)) for value in values]
    files = RunFiles([Created(sweep={}), Started(trial=0, at=1), *points])
    found = _opened(tmp_path, report_page(record.with_changes(goal="maximize"), files))
    assert "1 of 1 trials" in found.stdout
    assert "CONSOLE" not in found.stderr


@pytest.mark.external
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_the_page_of_a_multirun_has_the_mean_over_seeds(tmp_path: Path) -> None:
    variants = []
    for number, accuracy in enumerate((0.5, 0.75, None)):
        folder = tmp_path / "day" / "time" / str(number)
        folder.mkdir(parents=True)
        status = JobStatus.FAILED if accuracy is None else JobStatus.COMPLETED
        metrics = {} if accuracy is None else {"acc": accuracy}
        record = Record(Stage.train, f"t{number}", status, "", primary_metric="acc", seed=number)
        record = record.with_changes(metrics=metrics, why="" if metrics else HOSTILE)
        save_curves({"acc": [MetricPoint("acc", at / 4) for at in (1, 2)]}, folder)
        overrides = ["stage=train", "model=small", f"seed={number}"]
        variants.append(ComparedVariant(number, overrides, record, folder))
    path = write_multirun_report(variants, tmp_path / "day" / "time")
    page = path.read_text(encoding="utf-8")
    found = _opened(tmp_path, page)
    body = found.stdout.rpartition("<script")[0]
    assert "<h1>multirun day time</h1>" in body
    assert "2 of 3 variants Completed" in body
    assert ">0.625 ± 0.18</td>" in body
    assert body.count('<tr class="" data-trial="t') == 3
    assert content(page)["trials"][1]["command"] == "mnist-exp stage=train model=small seed=1"
    assert content(page)["trials"][1]["parameters"] == {"seed": 1}
    assert len(re.findall("<polyline", re.search('id="curves".*?</svg>', body, re.DOTALL)[0])) == 3
    assert "CONSOLE" not in found.stderr
    alone = write_multirun_report(variants[:1], path.parent).read_text(encoding="utf-8")
    assert content(alone)["seeds"] == []
    # Without groups of seeds, the page names the lowest and the highest value.
    assert ">acc from 0.5 (variant 0) to 0.5 (variant 0)</p>" in _opened(tmp_path, alone).stdout
    assert page == write_multirun_report(variants, path.parent).read_text(encoding="utf-8")


def _title(folder: Path, page: str, script: str) -> str:
    """Return the title of a page after another script has run in the page."""
    page = re.sub("<meta http-equiv[^>]*>", "", page)
    found = _opened(folder, f"{page}<script>{script}</script>").stdout
    (title,) = re.findall(r"<head>.*?<title>([^<]*)", found, re.DOTALL)
    return html.unescape(title)


def _opened(folder: Path, page: str, fragment: str = "") -> subprocess.CompletedProcess[str]:
    """Return the page after its script has run, and the messages of the browser."""
    (folder / "report.html").write_text(page, encoding="utf-8")
    address = f"{(folder / 'report.html').as_uri()}{fragment}"
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr")
    command = ["chromium", *flags, f"--user-data-dir={folder}/browser", "--dump-dom", address]
    return subprocess.run(command, capture_output=True, text=True, check=True)
