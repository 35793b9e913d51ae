"""The page in headless Chromium, in front of a real endpoint with two deployments."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mnist_exp.config import RequestSettingsConfig
from mnist_exp.drawing import Page, PageServer
from mnist_exp.workspaces.local.endpoints import ModelFiles
from tests.serving.digits_service import digits_spec, serve_digits
from tests.support.browser import Browser, needs_chromium
from tests.support.scoring_service import NAME, Service
from tests.support.waiting import eventually

pytestmark = [pytest.mark.external, needs_chromium]

SETTINGS = RequestSettingsConfig(20_000, 4)
#: A digit with a white pixel in the middle.
SAMPLE = [255 if index == 14 * 28 + 14 else 0 for index in range(784)]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    yield from serve_digits(tmp_path_factory.mktemp("digits"), SETTINGS)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def page(service: Service, browser: Browser) -> Iterator[Browser]:
    """The page in the browser."""
    content = Page(
        NAME,
        {"blue": 100},
        lambda name, body: service.endpoints.invoke(NAME, body, name),
        samples=[(SAMPLE, 7)],
    )
    with PageServer(content) as server:
        browser.messages.clear()
        browser.open(server.address)
        eventually(lambda: browser.run("info !== null"))
        yield browser


def draw_a_one(page: Browser) -> None:
    box = page.run("drawing.getBoundingClientRect().toJSON()")
    left, top = box["x"], box["y"]
    page.drag(*((left + 60, top + 30 + step) for step in range(0, 200, 10)))


def answers(page: Browser) -> str:
    eventually(lambda: not page.run("isSending"))
    return str(page.run("document.getElementById('results').innerText"))


def test_a_drawn_digit_is_centred_and_scored(page: Browser) -> None:
    assert page.run("document.getElementById('send').disabled")
    draw_a_one(page)
    pixels = page.run("current.pixels")
    lit = [(index // 28, index % 28) for index, value in enumerate(pixels) if value]
    rows, columns = zip(*lit, strict=True)
    # The stroke fits the box of 20 pixels, and its centre of mass is the centre of the picture.
    assert (min(rows), max(rows)) == (4, 23)
    assert (min(columns) + max(columns)) / 2 == pytest.approx(13.5, abs=0.5)
    assert max(pixels) == 255
    page.run("document.getElementById('send').click()")
    text = answers(page)
    assert text.splitlines()[0] == "blue"
    assert text.splitlines()[2].strip() in list("0123456789")
    assert "Probability of each digit" in text
    assert "status 200, " in text
    assert page.messages == []


def test_a_test_digit_is_compared_with_its_truth(page: Browser) -> None:
    page.run("document.querySelector('#samples button').click()")
    assert any(mark in answers(page) for mark in ("✓ right", "✗ wrong: the digit is 7"))


def test_an_empty_drawing_cannot_be_sent(page: Browser) -> None:
    draw_a_one(page)
    page.run("document.getElementById('clear').click()")
    assert page.run("[document.getElementById('send').disabled, current.pixels]") == [True, None]


def test_two_deployments_are_shown_side_by_side(service: Service, browser: Browser) -> None:
    model = ModelFiles(service.folder / "model", "digits", "1")
    service.endpoints.deploy(digits_spec("green", SETTINGS), model)
    try:
        content = Page(
            NAME,
            {"blue": 100, "green": 0},
            lambda name, body: service.endpoints.invoke(NAME, body, name),
            samples=[(SAMPLE, 7)],
        )
        with PageServer(content) as server:
            browser.open(server.address)
            eventually(lambda: browser.run("info !== null"))
            browser.run("document.querySelector('#samples button').click()")
            assert [
                line for line in answers(browser).splitlines() if line in ("blue", "green")
            ] == [
                "blue",
                "green",
            ]
    finally:
        service.endpoints.delete_deployment(NAME, "green")


def test_a_request_file_is_opened(page: Browser) -> None:
    text = json.dumps({"data": [SAMPLE]})
    page.run(f"open(new File([{json.dumps(text)}], 'request.json', {{type: 'application/json'}}))")
    assert page.run("current.pixels") == SAMPLE


def test_a_picture_of_dark_ink_on_paper_is_opened(page: Browser) -> None:
    page.run(
        """(async () => {
          const paper = document.createElement("canvas");
          paper.width = paper.height = 100;
          const ink = paper.getContext("2d");
          ink.fillStyle = "#fff"; ink.fillRect(0, 0, 100, 100);
          ink.fillStyle = "#000"; ink.fillRect(70, 10, 8, 40);
          const blob = await new Promise((done) => paper.toBlob(done, "image/png"));
          await open(new File([blob], "one.png", { type: "image/png" }));
        })()"""
    )
    lit = [index for index, value in enumerate(page.run("current.pixels")) if value > 128]
    assert (lit[0] // 28, lit[-1] // 28) == (4, 23)


def test_the_key_is_nowhere_in_the_browser(page: Browser, service: Service) -> None:
    draw_a_one(page)
    page.run("document.getElementById('send').click()")
    answers(page)
    key = service.keys.primary
    everything = page.run("document.documentElement.outerHTML + JSON.stringify(info)")
    assert key not in everything
    assert page.run("document.cookie") == ""
    assert "token" not in page.run("location.href")


@pytest.mark.parametrize("width", [1400, 390])
def test_the_page_does_not_scroll_sideways(page: Browser, tmp_path: Path, width: int) -> None:
    page.screenshot(tmp_path / "page.png", width, 900)
    assert page.run("document.documentElement.scrollWidth") <= width


def test_another_model_gets_a_box_with_its_example(browser: Browser) -> None:
    sent = []

    def score(_: str, body: bytes) -> object:
        sent.append(json.loads(body))
        return {"label": "</script><b>seven"}

    with PageServer(Page(NAME, {"blue": 100}, score, example={"input_data": [[1, 2]]})) as server:
        browser.open(server.address)
        eventually(lambda: browser.run("info !== null"))
        browser.run("document.getElementById('send-body').click()")
        assert '"label": "</script><b>seven"' in answers(browser)
        assert sent == [{"input_data": [[1, 2]]}]
        assert browser.run("document.getElementById('digits').hidden")
