"""stage=invoke: send sample digits or the user's own request, and draw the predictions."""

import json
from functools import cached_property, partial
from pathlib import Path

from mnist_exp.checks.endpoint import read_request
from mnist_exp.config import Stage
from mnist_exp.errors import ConfigError, EndpointError
from mnist_exp.lazy import datasets, figures
from mnist_exp.records import Record, write_json
from mnist_exp.stages.context import StageContext, StageRunner
from mnist_exp.stages.deploy import endpoint_entry
from mnist_exp.stages.earlier_records import (
    deployed_endpoint,
    deployment_record,
    endpoint_faults,
)
from mnist_exp.stages.example_requests import REQUEST_NAME
from mnist_exp.stages.watching import with_figure


class InvokeStage(StageRunner):
    """The stage that sends a request to the endpoint."""

    stage = Stage.invoke

    def faults(self) -> list[str]:
        """Return an error message if the endpoint or the named deployment does not exist."""
        wanted = self.context.config.endpoint.invoke_deployment
        return endpoint_faults(self.context, wanted, "endpoint.invoke_deployment")

    @cached_property
    def name(self) -> str:
        """The endpoint's name."""
        return deployed_endpoint(self.context)

    def run(self, record: Record) -> Record:
        """Send one request, and save the request and the answer."""
        endpoint = self.context.workspace.get_endpoint(record.name)
        record = record.with_changes(endpoint=endpoint_entry(endpoint))
        if (file := _request_file(self.context, record.name)) is not None:
            return self._send_file(record, file)
        return self._send_samples(record)

    def _send_file(self, record: Record, path: Path) -> Record:
        answer = _invoke(self.context, record, read_request(str(path)))
        return record.with_changes(predictions={"request_file": str(path), "answer": answer})

    def _send_samples(self, record: Record) -> Record:
        config = self.context.config
        with self.context.display.watching(None, "") as observer:
            folder = self.context.workspace.sample_folder(config.data, observer)
        images, labels = datasets().sample_digits(folder, config.endpoint.samples, config.seed)
        request = self.context.folder / "request.json"
        write_json(request, {"data": images.tolist()})
        answer = _invoke(self.context, record, request.read_bytes())
        actual = [int(label) for label in labels]
        if not isinstance(answer, list) or len(answer) != len(actual):
            raise EndpointError(
                f"endpoint {record.name}: the answer must be a list of {len(actual)} digits, "
                f"got {json.dumps(answer)[:80]}; change the return value of the scoring script"
            )
        wrong = sum(found != true for found, true in zip(answer, actual, strict=True))
        record = record.with_changes(
            predictions={"predicted": answer, "actual": actual, "wrong": wrong},
            metrics={"sample_accuracy": 1 - wrong / len(actual)},
            paths={"request": str(request)},
        )
        draw = partial(figures().predictions, images, answer, labels, record.name)
        return with_figure(self.context, record, "predictions", draw)


def _request_file(context: StageContext, endpoint: str) -> Path | None:
    """Return the file to send: the user's file, or the input example of an MLflow model.

    If the result is None, the stage sends sample digits.

    Raises:
        ConfigError: The endpoint serves an MLflow model without a scoring script, and the model has
            no input example.
    """
    config = context.config.endpoint
    if config.request_file is not None:
        return Path(config.request_file)
    found = deployment_record(context, endpoint)
    if found is not None and (found[1] / REQUEST_NAME).is_file():
        return found[1] / REQUEST_NAME
    if config.deployment.scoring_script is None:
        raise ConfigError(
            [
                f"endpoint.request_file: must be given, because the model of endpoint {endpoint} "
                "was saved without an input example; add endpoint.request_file=FILE, "
                'e.g. a file with {"input_data": [[1, 2]]}'
            ]
        )
    return None


def _invoke(context: StageContext, record: Record, body: bytes) -> object:
    return context.workspace.invoke(record.name, body, context.config.endpoint.invoke_deployment)
