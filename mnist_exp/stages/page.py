"""stage=page: serve a page on which the user draws a digit, and sees the endpoint's answer."""

import json
from functools import cached_property
from pathlib import Path
from typing import Any

from mnist_exp.config import Stage
from mnist_exp.errors import MnistExpError
from mnist_exp.lazy import datasets, drawing
from mnist_exp.records import Record
from mnist_exp.results import Endpoint
from mnist_exp.stages.context import StageContext, StageRunner
from mnist_exp.stages.earlier_records import deployed_endpoint, deployment_record, endpoint_faults
from mnist_exp.stages.example_requests import REQUEST_NAME

#: Number of test digits on the page.
_SAMPLES = 10
#: Number of pixels of a digit.
_PIXELS = 784


class PageStage(StageRunner):
    """The stage that serves the page until Ctrl-C, or until nobody uses the page."""

    stage = Stage.page

    def faults(self) -> list[str]:
        """Return an error message if the endpoint or the named deployment does not exist."""
        wanted = self.context.config.endpoint.invoke_deployment
        return endpoint_faults(self.context, wanted, "endpoint.invoke_deployment")

    @cached_property
    def name(self) -> str:
        """The endpoint's name."""
        return deployed_endpoint(self.context)

    def run(self, record: Record) -> Record:
        """Serve the page, and print its address."""
        context, display = self.context, self.context.display
        page = self._page(context.workspace.get_endpoint(self.name))
        minutes = context.config.page.idle_minutes
        with drawing().PageServer(page, context.config.page.port) as server:
            display.output(f"page: {server.address}")
            display.message(
                "the address works once, and only on this machine; press Ctrl-C to end the page"
            )
            try:
                server.wait_until_idle(minutes * 60)
                display.message(f"the page ends, because it was not used for {minutes:g} minutes")
            except KeyboardInterrupt:
                display.message("the page ends; the endpoint continues")
        return record

    def _page(self, endpoint: Endpoint) -> Any:
        context = self.context
        wanted = context.config.endpoint.invoke_deployment
        names = [each.name for each in endpoint.deployments if wanted in (None, each.name)]
        example = _example(context, endpoint.name)
        return drawing().Page(
            endpoint=endpoint.name,
            deployments={name: endpoint.traffic.get(name, 0) for name in names},
            score=lambda name, body: context.workspace.invoke(endpoint.name, body, name),
            samples=[] if example is not None else self._samples(),
            example=example,
        )

    def _samples(self) -> list[tuple[list[int], int]]:
        """Return test digits and their labels; an empty list if they cannot be read."""
        context = self.context
        try:
            with context.display.watching(None, "") as observer:
                folder = context.workspace.sample_folder(context.config.data, observer)
            images, labels = datasets().sample_digits(folder, _SAMPLES, context.config.seed)
        except MnistExpError as error:
            context.display.warning(f"the page has no test digits: {error}")
            return []
        digits = images.reshape(len(labels), _PIXELS).tolist()
        return list(zip(digits, map(int, labels), strict=True))


def _example(context: StageContext, endpoint: str) -> object:
    """Return an example of a request for a model that does not read digits; None for digits."""
    found = deployment_record(context, endpoint)
    if found is None:
        return None
    record, folder = found
    saved = Path(record.paths.get("request", folder / REQUEST_NAME))
    try:
        example: object = json.loads(saved.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return None if _is_of_digits(example) else example


def _is_of_digits(example: object) -> bool:
    rows = example.get("data") if isinstance(example, dict) else None
    return isinstance(rows, list) and all(
        isinstance(row, list) and len(row) == _PIXELS for row in rows
    )
