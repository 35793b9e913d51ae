"""Certificates, proxies and identities that do not work: one line with the remedy."""

import os
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
import requests
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from azure.identity import CredentialUnavailableError

from mnist_exp.config import Credential, Stage, WorkspaceConfig, WorkspaceType
from mnist_exp.errors import ConfigError, JobError, MnistExpError
from mnist_exp.workspaces.azure.network import cause_text, connection_fault, network_fault
from mnist_exp.workspaces.azure.sign_in import SignIn, SignInError
from tests.azure_emulator.certificates import Certificates, make_certificates
from tests.azure_emulator.emulator import Emulator
from tests.azure_emulator.engines import StubEngine
from tests.support.emulated_azure import AzureStages, use_emulator
from tests.support.odd_servers import (
    NOT_FOUND,
    PASSWORD_REQUIRED,
    TOO_MANY_REQUESTS,
    UNAVAILABLE,
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
            "down": stack.enter_context(text_server(UNAVAILABLE)),
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
        {"HTTPS_PROXY": "http://me:my@secret@{closed}"},
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
    "proxy without scheme": (
        {"HTTPS_PROXY": "me:secret@{closed}"},
        r"HTTPS_PROXY: must be http://HOST:PORT, got 127\.",
    ),
    "proxy with an invalid name": (
        {"HTTPS_PROXY": "http://me:secret@.proxy"},
        r"HTTPS_PROXY: must be http://HOST:PORT, got http://\.proxy;",
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
    line = rf"the sign-in failed .*{variable} must be the address .*, got http.*; correct or unset"
    chosen = "workspace.credential=managed_identity"
    with pytest.raises(MnistExpError, match=line) as caught:
        stages.run(Stage.status, chosen)
    assert "az login" not in str(caught.value)
    assert failing(stages, line, chosen)


def failing(stages: AzureStages, line: str, *overrides: str) -> bool:
    """Run stage=doctor, which must fail. Return whether it reports a line."""
    earlier = len(stages.display.messages)
    with pytest.raises(JobError, match="1 of"):
        stages.run(Stage.doctor, *overrides)
    found = [text for text in stages.display.messages[earlier:] if text.startswith("fail")]
    return len(found) == 1 and re.search(line, found[0]) is not None


def test_metadata_that_are_something_else(
    stages: AzureStages, places: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARM_CLOUD_METADATA_URL", f"http://{places['page']}/metadata")
    line = r"ARM_CLOUD_METADATA_URL: must be the address of a cloud's metadata, got http"
    with pytest.raises(MnistExpError, match=line):
        stages.run(Stage.status)
    assert failing(stages, line)
    for place, why in {"closed": "does not answer", "down": "answers with status 503"}.items():
        monkeypatch.setenv("ARM_CLOUD_METADATA_URL", f"http://{places[place]}/metadata")
        whole = rf"{line}\S*, which {why}; check the network, or correct or unset ARM_CLOUD_\w+$"
        with pytest.raises(ConfigError, match=whole):
            stages.run(Stage.status)
        assert failing(stages, whole)
    for address in ("metadata", "ftp://host/metadata", "http://.host"):
        monkeypatch.setenv("ARM_CLOUD_METADATA_URL", address)
        with pytest.raises(ConfigError, match=rf"got {re.escape(address)}; correct or unset ARM"):
            stages.run(Stage.status)


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


#: Error of a request through the proxy -> the fault; empty if a second try may succeed.
PROXY_ERRORS = {
    "Tunnel connection failed: 403 Forbidden": "x:1 refused the connection with status 403 Forbidd",
    "Tunnel connection failed: 407 Proxy Authentication Required": "x:1 requires a user name",
    "port=40700): Connection refused": "the proxy http://x:1 does not answer",
    "Tunnel connection failed: 503 Service Unavailable": "",
}


@pytest.mark.parametrize("text", PROXY_ERRORS)
def test_what_a_proxy_answers(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://x:1")
    monkeypatch.setenv("NO_PROXY", "management.azure.com")
    sent = requests.Request("GET", "https://login.microsoftonline.com").prepare()
    error = requests.exceptions.ProxyError(OSError(text), request=sent)
    fault = network_fault(error)
    assert PROXY_ERRORS[text] in (fault or "")
    assert (fault is None) == (not PROXY_ERRORS[text])
    assert text.rpartition(": ")[2] in cause_text(error) or fault
    monkeypatch.delenv("HTTPS_PROXY")
    assert "  " not in cause_text(error)


def test_a_tls_connection_that_was_cut_may_be_repeated() -> None:
    error = requests.exceptions.SSLError(ssl.SSLEOFError(8, "EOF occurred"))
    assert network_fault(error) is None
    assert cause_text(error).endswith("; check the network")
    assert cause_text(ValueError("no JSON")) == "no JSON"


class FailingCredential:
    """A credential whose sign-in fails with an error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def get_token(self, *_: str, **__: object) -> AccessToken:
        raise self._error


def failed(cause: Exception) -> Exception:
    """Return the error of a service principal that could not ask for a token."""
    error = ClientAuthenticationError(f"Authentication failed: {cause}")
    error.__cause__ = cause
    return error


def refused(kind: str, why: str) -> Exception:
    """Return the error of DefaultAzureCredential after an attempt."""
    attempts = f"\tAzureCliCredential: Azure CLI not found\n\t{kind}: {why}"
    return ClientAuthenticationError(f"DefaultAzureCredential failed:\n{attempts}\nhint")


#: An error -> the credential, a text of the message, and whether a second try may succeed.
SIGN_INS = {
    "no address": (
        failed(ServiceRequestError("x", error=socket.gaierror("unknown"))),
        Credential.environment,
        "the sign-in failed: the name of the server cannot be resolved",
        True,
    ),
    "status 500": (
        failed(RuntimeError("HTTP Error: 500")),
        Credential.environment,
        "the sign-in failed: Authentication failed: HTTP Error: 500$",
        True,
    ),
    "unknown application": (
        refused("EnvironmentCredential", "AADSTS700016: Application 'x' was not found in t"),
        Credential.default,
        r"the sign-in failed \(EnvironmentCredential: AADSTS700016: .*\); check AZURE_CLIENT_ID",
        False,
    ),
    "nothing set up": (
        refused("EnvironmentCredential", "EnvironmentCredential authentication unavailable."),
        Credential.default,
        r"no way to sign in was found \(no service principal, .*\); run `az login`",
        False,
    ),
    "wrong secret": (
        ClientAuthenticationError("AADSTS7000215: Invalid client secret provided."),
        Credential.environment,
        r"the sign-in failed \(AADSTS7000215: .*\); check AZURE_CLIENT_ID",
        False,
    ),
    "expired code": (
        ClientAuthenticationError("Timed out waiting for user to authenticate"),
        Credential.device_code,
        r"the sign-in failed \(Timed out .*\); enter the printed code",
        False,
    ),
    "refused in the browser": (
        ClientAuthenticationError("Authentication failed: access_denied"),
        Credential.interactive,
        r"the sign-in failed \(.*access_denied\); complete the login",
        False,
    ),
    "no identity": (
        CredentialUnavailableError("no response from the IMDS endpoint"),
        Credential.managed_identity,
        r"the sign-in failed \(no response .*\); check that this machine has a managed identity",
        False,
    ),
}


@pytest.mark.parametrize("case", SIGN_INS)
def test_a_failed_sign_in_is_explained(
    shared: AzureStages, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    error, kind, line, is_transient = SIGN_INS[case]
    monkeypatch.delenv("IDENTITY_ENDPOINT")
    sign_in = SignIn(WorkspaceConfig(WorkspaceType.azure, credential=kind), print)
    sign_in.credential = FailingCredential(error)
    with pytest.raises(SignInError, match=line) as caught:
        sign_in.get_token(f"{shared.emulator.url}/.default")
    assert caught.value.is_transient is is_transient


def test_too_many_sign_ins_are_one_line_that_says_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    with text_server(TOO_MANY_REQUESTS) as address:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://{address}/token")
        monkeypatch.setenv("IDENTITY_HEADER", "x")
        identity = Credential.managed_identity
        sign_in = SignIn(WorkspaceConfig(WorkspaceType.azure, credential=identity), print)
        with pytest.raises(SignInError, match="too many requests for a sign-in; wait for some mi"):
            sign_in.get_token("https://management.azure.com/.default")
        sign_in.close()


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
