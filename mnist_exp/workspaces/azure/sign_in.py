"""Sign in to Azure with the credential that the config names, and explain failed sign-ins."""

import os
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from azure.core.credentials import AccessToken, TokenCredential
from azure.core.exceptions import ClientAuthenticationError
from azure.core.pipeline import PipelineResponse
from azure.identity import (
    AzureAuthorityHosts,
    AzureCliCredential,
    CredentialUnavailableError,
    DefaultAzureCredential,
    DeviceCodeCredential,
    EnvironmentCredential,
    InteractiveBrowserCredential,
    ManagedIdentityCredential,
)

from mnist_exp.config import Cloud, Credential, WorkspaceConfig
from mnist_exp.workspaces.azure.network import (
    TRANSIENT_STATUSES,
    cause_text,
    connection_error,
    error_text,
    is_connection_error,
    network_fault,
)
from mnist_exp.workspaces.azure.sdk_output import shown

_AUTHORITIES = {
    Cloud.AzureCloud: AzureAuthorityHosts.AZURE_PUBLIC_CLOUD,
    Cloud.AzureUSGovernment: AzureAuthorityHosts.AZURE_GOVERNMENT,
    Cloud.AzureChinaCloud: AzureAuthorityHosts.AZURE_CHINA,
}
_OTHER = "choose another workspace.credential"
_AZ_LOGIN = f"run `az login`, or {_OTHER}"
_TOO_MANY_REQUESTS = 429
_WAIT = "wait for some minutes, and then run the same command again"
#: Credential -> what to do if the sign-in fails.
_REMEDIES = {
    Credential.default: _AZ_LOGIN,
    Credential.cli: _AZ_LOGIN,
    Credential.interactive: (
        "complete the login in the browser window; on a machine without a browser, use "
        "workspace.credential=device_code"
    ),
    Credential.device_code: f"enter the printed code before the code expires, or {_OTHER}",
    Credential.managed_identity: (
        "check that this machine has a managed identity. If AZURE_CLIENT_ID is set, it must be the "
        "client ID of a user-assigned identity of this machine. Without a managed identity, "
        f"{_OTHER}"
    ),
    Credential.environment: (
        f"check AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET, or {_OTHER}"
    ),
}
#: Credential class that DefaultAzureCredential tries -> the value of workspace.credential whose
#: remedy applies.
_PARTS = {
    "ManagedIdentityCredential": Credential.managed_identity,
    "EnvironmentCredential": Credential.environment,
}
#: Environment variables with the address of this machine's managed-identity endpoint.
_IDENTITY_ADDRESSES = ("IDENTITY_ENDPOINT", "MSI_ENDPOINT", "AZURE_POD_IDENTITY_AUTHORITY_HOST")
#: One attempt in the error text of DefaultAzureCredential.
_ATTEMPT = re.compile(r"^\t(\w+): (.*)", re.MULTILINE)
#: Words in the error of an attempt whose credential is not set up on this machine.
_NOT_SET_UP = re.compile(r"unavailable|not found|not installed|requires|could not be found")


class SignInError(ClientAuthenticationError):
    """A failed sign-in. The message contains the cause, and the remedy if a remedy is known.

    Args:
        text: The message.
        is_transient: Whether the next try may succeed.
    """

    def __init__(self, text: str, *, is_transient: bool) -> None:
        super().__init__(text)
        self.is_transient = is_transient


class SignIn:
    """The credential that the config names, as a `TokenCredential` of azure-core.

    Args:
        config: The config of the workspace.
        message: Function that prints one line for the user, e.g. the device code.
    """

    def __init__(self, config: WorkspaceConfig, message: Callable[[str], None]) -> None:
        #: The HTTP status of the last answer to the current sign-in. Most errors of azure-identity
        #: do not contain the status.
        self._status: int | None = None
        self.credential = _credential(config, message, self._note_status)
        self._kind = config.credential

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Return a token.

        Raises:
            SignInError: The sign-in failed.
        """
        self._status = None
        try:
            return self.credential.get_token(*scopes, **options)
        except Exception as error:
            # azure-identity raises errors of many libraries, e.g. a ValueError if the
            # managed-identity endpoint answers with a web page.
            raise self._failure(error, scopes[0]) from error

    def close(self) -> None:
        """Close the connections of the credential."""
        if close := getattr(self.credential, "close", None):
            close()

    def _note_status(self, response: PipelineResponse[Any, Any]) -> None:
        self._status = response.http_response.status_code

    def _failure(self, error: Exception, scope: str) -> SignInError:
        if self._status == _TOO_MANY_REQUESTS or _status(error) == _TOO_MANY_REQUESTS:
            text = "workspace.credential: Azure has received too many requests for a sign-in"
            return SignInError(f"{text}; {_WAIT}", is_transient=False)
        attempts = _ATTEMPT.findall(str(error))
        # DefaultAzureCredential keeps only the texts of its errors. `network_fault` needs the
        # exceptions. If a certificate or a proxy is wrong, this request fails with the exception
        # that explains it.
        probe = connection_error(f"https://{urlsplit(scope).netloc}") if attempts else None
        cause = probe or error
        fault = network_fault(cause)
        # azure-identity raises CredentialUnavailableError if it could not use the credential.
        # Repeating the sign-in does not help.
        is_lost = is_connection_error(cause) and not isinstance(cause, CredentialUnavailableError)
        is_transient = fault is None and (is_lost or _is_server_error(error))
        # For a managed identity, a failed connection often means a wrong endpoint address. Let
        # `_explanation` print the remedy for the address.
        is_local = is_lost and self._kind is Credential.managed_identity
        if fault or (is_transient and not is_local):
            text = f"workspace.credential: the sign-in failed: {cause_text(cause)}"
        else:
            text = self._explanation(error, attempts)
        return SignInError(text, is_transient=is_transient)

    def _explanation(self, error: Exception, attempts: list[tuple[str, str]]) -> str:
        # An error with AADSTS is a refusal by Microsoft Entra ID, even if the text contains "not
        # found". Do not treat it as not set up.
        failed = [
            (name, why) for name, why in attempts if "AADSTS" in why or not _NOT_SET_UP.search(why)
        ]
        if attempts and not failed:
            text = (
                "no way to sign in was found (no service principal, no managed identity and no "
                "account of `az login`)"
            )
        else:
            causes = "; ".join(f"{name}: {why}" for name, why in failed) or error_text(error)
            text = f"the sign-in failed ({causes})"
        # Use the remedy of the first failed class in `_PARTS`. Otherwise use the remedy of the
        # configured credential.
        kind = next((_PARTS[name] for name, _ in failed if name in _PARTS), self._kind)
        return f"workspace.credential: {text}; {_remedy(kind)}"


def _is_server_error(error: Exception) -> bool:
    """Return whether the service that issues tokens failed, or asked to wait."""
    # The error of a service principal has the status only in its text.
    if "HTTP Error: 5" in str(error):
        return True
    return _status(error) in TRANSIENT_STATUSES


def _status(error: Exception) -> int | None:
    return getattr(getattr(error, "response", None), "status_code", None)


def _remedy(kind: Credential) -> str:
    """Return what to do if the sign-in with a credential fails."""
    variable = next((name for name in _IDENTITY_ADDRESSES if os.environ.get(name)), None)
    if kind is Credential.managed_identity and variable:
        return (
            f"{variable} must be the address of this machine's managed-identity endpoint, got "
            f"{os.environ[variable]}; correct or unset {variable}, or {_OTHER}"
        )
    return _REMEDIES[kind]


def _credential(
    config: WorkspaceConfig,
    message: Callable[[str], None],
    hook: Callable[[PipelineResponse[Any, Any]], None],
) -> TokenCredential:
    """Return the credential that the config names.

    Args:
        config: The config of the workspace.
        message: Function that prints one line for the user.
        hook: Function that azure-core calls with each answer.
    """

    def show_code(address: str, code: str, _: datetime) -> None:
        with shown():
            message(f"to sign in, open {address} in a browser and enter the code {code}")

    options: dict[str, Any] = {"raw_response_hook": hook}
    if config.cloud:
        options["authority"] = _AUTHORITIES[config.cloud]
    match config.credential:
        case Credential.interactive:
            return InteractiveBrowserCredential(**options)
        case Credential.device_code:
            return DeviceCodeCredential(prompt_callback=show_code, **options)
        case Credential.cli:
            return AzureCliCredential()
        case Credential.managed_identity:
            return ManagedIdentityCredential(
                client_id=os.environ.get("AZURE_CLIENT_ID"), raw_response_hook=hook
            )
        case Credential.environment:
            return EnvironmentCredential(**options)
        case Credential.default:
            return DefaultAzureCredential(**options)
