"""Certificates, proxies and identities that do not work: one line with the remedy."""

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
import requests

from mnist_exp.config import Stage
from mnist_exp.errors import JobError, MnistExpError
from mnist_exp.workspaces.azure.network import connection_fault, network_fault
from tests.azure_emulator.certificates import Certificates, make_certificates
from tests.azure_emulator.emulator import Emulator
from tests.azure_emulator.engines import StubEngine
from tests.support.emulated_azure import AzureStages, use_emulator
from tests.support.odd_servers import (
    NOT_FOUND,
    PASSWORD_REQUIRED,
    closed_port,
    text_server,
    tls_server,
)

#: Variables of this process that would decide which certificates and proxies are used.
_OWN = ("CURL_CA_BUNDLE", "SSL_CERT_FILE", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy")


@pytest.fixture(scope="module")
def places() -> Iterator[dict[str, str]]:
    """Name -> host and port of a server that is not Azure."""
    with ExitStack() as stack:
        yield {
            "page": stack.enter_context(text_server(NOT_FOUND)),
            "proxy": stack.enter_context(text_server(PASSWORD_REQUIRED)),
            "closed": f"127.0.0.1:{closed_port()}",
        }


@pytest.fixture(scope="module")
def shared(
    certificates: Certificates, digits: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AzureStages]:
    """Stages against an emulator, which this process uses as Azure."""
    folder = tmp_path_factory.mktemp("network")
    emulator = Emulator(certificates, StubEngine(), folder / "emulator")
    with pytest.MonkeyPatch.context() as patch:
        for name in _OWN:
            patch.delenv(name, raising=False)
        # azure-identity pauses for seconds between its retries.
        patch.setattr("azure.core.pipeline.policies.RetryPolicy.sleep", lambda *_: None)
        use_emulator(emulator, digits, patch)
        yield AzureStages(emulator, folder / "outputs", digits)
    emulator.close()


@pytest.fixture
def stages(shared: AzureStages) -> Iterator[AzureStages]:
    """The stages, without the messages and the connections of earlier tests."""
    shared.display.messages.clear()
    yield shared
    shared.close()


#: Environment variables of a command, and the line that explains the fault.
FAULTS = {
    "no CA file": (
        {"REQUESTS_CA_BUNDLE": "{tmp}/none.pem"},
        r"REQUESTS_CA_BUNDLE: must be a PEM file.*none\.pem \(No such file.*unset",
    ),
    "no CA file for curl": (
        {"REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": "{tmp}/none.pem"},
        r"CURL_CA_BUNDLE: must be a PEM file.*none\.pem",
    ),
    "CA file without certificates": (
        {"REQUESTS_CA_BUNDLE": "{tmp}/text.pem"},
        r"REQUESTS_CA_BUNDLE: .*text\.pem \(it contains no certificate\)",
    ),
    "unknown authority": (
        {"REQUESTS_CA_BUNDLE": "{tmp}/other/ca.pem"},
        r"unknown authority.*add the certificate to the file .*ca\.pem \(REQUESTS_CA_BUNDLE\)",
    ),
    "dead proxy": (
        {"HTTPS_PROXY": "http://me:secret@{closed}"},
        r"HTTPS_PROXY: the proxy http://127.*does not answer; correct or unset HTTPS_PROXY",
    ),
    "proxy with password": (
        {"HTTPS_PROXY": "http://{proxy}"},
        r"HTTPS_PROXY: the proxy .*requires a user name and a password; set HTTPS_PROXY=",
    ),
    "proxy without address": (
        {"HTTPS_PROXY": "nonsense://x:y"},
        r"HTTPS_PROXY: must be http://HOST:PORT, got nonsense://x:y",
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_certificate_or_proxy_that_does_not_work(
    stages: AzureStages,
    places: dict[str, str],
    case: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_certificates(tmp_path / "other")
    (tmp_path / "text.pem").write_text("no certificate", encoding="utf-8")
    before = stages.workspace()
    variables, line = FAULTS[case]
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(tmp=tmp_path, **places))
    # The fault appears when the command signs in, or when the command opens the workspace.
    for command in (before.list_endpoints, lambda: stages.run(Stage.status)):
        with pytest.raises(MnistExpError, match=line) as caught:
            command()
        assert len(caught.value.lines) == 1
        assert "secret" not in str(caught.value)
    assert failing(stages, line)


IDENTITIES = {
    "IDENTITY_ENDPOINT": {"IDENTITY_ENDPOINT": "http://{page}/x"},
    "MSI_ENDPOINT": {"IDENTITY_ENDPOINT": "", "MSI_ENDPOINT": "http://{page}/x"},
    "AZURE_POD_IDENTITY_AUTHORITY_HOST": {
        "IDENTITY_ENDPOINT": "",
        "AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://{page}",
    },
}


@pytest.mark.parametrize("variable", IDENTITIES)
def test_an_identity_address_that_answers_something_else(
    stages: AzureStages,
    places: dict[str, str],
    variable: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in IDENTITIES[variable].items():
        if value:
            monkeypatch.setenv(name, value.format(**places))
        else:
            monkeypatch.delenv(name)
    line = rf"no way to sign in was found .*{variable} \(http.*\) must be the address"
    chosen = "workspace.credential=managed_identity"
    with pytest.raises(MnistExpError, match=line) as caught:
        stages.run(Stage.status, chosen)
    assert "az login" not in str(caught.value)
    assert failing(stages, line, chosen)


def failing(stages: AzureStages, line: str, *overrides: str) -> bool:
    """Run stage=doctor, which must fail. Return whether it reports a line."""
    with pytest.raises(JobError, match="1 of"):
        stages.run(Stage.doctor, *overrides)
    found = [text for text in stages.display.messages if text.startswith("fail")]
    return len(found) == 1 and re.search(line, found[0]) is not None


def test_metadata_that_are_something_else(
    stages: AzureStages, places: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARM_CLOUD_METADATA_URL", f"http://{places['page']}/metadata")
    line = r"ARM_CLOUD_METADATA_URL: must be the address of a cloud's metadata, got http"
    with pytest.raises(MnistExpError, match=line):
        stages.run(Stage.status)
    assert failing(stages, line)


@pytest.mark.parametrize(
    ("made", "line"),
    [
        ({"ends": timedelta(hours=-1)}, "has expired; check the clock"),
        ({"begins": timedelta(hours=1)}, "is not valid yet; check the clock"),
        ({"host": "example.org"}, "belongs to another host name"),
    ],
)
def test_the_servers_own_certificate(
    made: dict[str, object], line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in _OWN:
        monkeypatch.delenv(name, raising=False)
    files = make_certificates(tmp_path, **made)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(files.authority))
    with tls_server(files.chain) as address:
        assert line in (connection_fault(address) or "")


def test_a_refused_connection_may_be_repeated() -> None:
    with pytest.raises(requests.ConnectionError) as caught:
        requests.get(f"http://127.0.0.1:{closed_port()}", timeout=5)
    assert network_fault(caught.value) is None


def test_doctor_reports_certificates_proxy_and_connection(
    stages: AzureStages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/none.pem")
    stages.run(Stage.compute)
    stages.run(Stage.doctor)
    text = "\n".join(stages.display.messages)
    authority = os.environ["REQUESTS_CA_BUNDLE"]
    assert f"ok    REQUESTS_CA_BUNDLE: {authority} contains certificates" in text
    assert "warn  SSL_CERT_FILE: must be a PEM file" in text
    assert f"ok    network: {stages.emulator.url} answers" in text
    assert "ok    workspace.credential: signed in" in text
