"""Sign in to Azure with the credential that the config names, and explain failed sign-ins."""

import os
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from azure.core.credentials import AccessToken, TokenCredential
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import (
    AzureAuthorityHosts,
    AzureCliCredential,
    DefaultAzureCredential,
    DeviceCodeCredential,
    EnvironmentCredential,
    InteractiveBrowserCredential,
    ManagedIdentityCredential,
)

from mnist_exp.config import Cloud, Credential, WorkspaceConfig
from mnist_exp.workspaces.azure.network import connection_fault, error_text, network_fault
from mnist_exp.workspaces.azure.sdk_output import shown

_AUTHORITIES = {
    Cloud.AzureCloud: AzureAuthorityHosts.AZURE_PUBLIC_CLOUD,
    Cloud.AzureUSGovernment: AzureAuthorityHosts.AZURE_GOVERNMENT,
    Cloud.AzureChinaCloud: AzureAuthorityHosts.AZURE_CHINA,
}
_OTHER = "choose another workspace.credential"
_AZ_LOGIN = f"run `az login`, or {_OTHER}"
#: Credential -> what to do if the sign-in fails.
_REMEDIES = {
    Credential.default: _AZ_LOGIN,
    Credential.cli: _AZ_LOGIN,
    Credential.interactive: (
        "sign in in the browser window; on a machine without a browser, use "
        "workspace.credential=device_code"
    ),
    Credential.device_code: f"enter the printed code before the code expires, or {_OTHER}",
    Credential.managed_identity: (
        "check that this machine has a managed identity, and that AZURE_CLIENT_ID, if it is set, "
        f"is the client ID of a user-assigned identity of this machine; otherwise {_OTHER}"
    ),
    Credential.environment: (
        f"check AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET, or {_OTHER}"
    ),
}
#: Environment variables with the address of this machine's managed-identity endpoint.
_IDENTITY_ADDRESSES = ("IDENTITY_ENDPOINT", "MSI_ENDPOINT", "AZURE_POD_IDENTITY_AUTHORITY_HOST")
#: One attempt in the error text of DefaultAzureCredential.
_ATTEMPT = re.compile(r"^\t(\w+): (.*)", re.MULTILINE)
#: Texts of attempts that failed only because the way to sign in is not set up.
_NOT_SET_UP = re.compile(r"unavailable|not found|not installed|requires|could not be found")


class SignIn:
    """The credential that the config names, as a `TokenCredential` of azure-core.

    Args:
        config: The config of the workspace.
        message: Function that prints a line, for example how to sign in.
    """

    def __init__(self, config: WorkspaceConfig, message: Callable[[str], None]) -> None:
        self.credential = _credential(config, message)
        self._kind = config.credential

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Return a token.

        Raises:
            ClientAuthenticationError: The sign-in failed. The message contains the remedy.
        """
        try:
            return self.credential.get_token(*scopes, **options)
        except Exception as error:
            # azure-identity raises errors of many libraries, e.g. a ValueError if the
            # managed-identity endpoint answers with a web page.
            text = self._explanation(error, scopes[0])
            raise ClientAuthenticationError(text) from error

    def close(self) -> None:
        """Close the connections of the credential."""
        if close := getattr(self.credential, "close", None):
            close()

    def _explanation(self, error: Exception, scope: str) -> str:
        attempts = _ATTEMPT.findall(str(error))
        # DefaultAzureCredential does not report the causes of its failure. Therefore send a request
        # without a token. Its error shows whether certificates and proxies work.
        probe = connection_fault(f"https://{urlsplit(scope).netloc}") if attempts else None
        if fault := network_fault(error) or probe:
            return f"workspace.credential: the sign-in failed: {fault}"
        failed = [attempt for attempt in attempts if not _NOT_SET_UP.search(attempt[1])]
        text = "; ".join(f"{name}: {why}" for name, why in failed) or (
            "no service principal, no managed identity and no account of `az login`"
            if attempts
            else error_text(error)
        )
        remedy = self._remedy(is_identity=any("ManagedIdentity" in name for name, _ in failed))
        return f"workspace.credential: no way to sign in was found ({text}); {remedy}"

    def _remedy(self, *, is_identity: bool) -> str:
        """Return what to do.

        Args:
            is_identity: Whether the managed identity, as a part of DefaultAzureCredential, failed.
        """
        is_identity = is_identity or self._kind is Credential.managed_identity
        variable = next((name for name in _IDENTITY_ADDRESSES if os.environ.get(name)), None)
        if is_identity and variable:
            return (
                f"{variable} ({os.environ[variable]}) must be the address that gives tokens to the "
                f"identity of this machine; correct or unset {variable}, or {_OTHER}"
            )
        return _REMEDIES[Credential.managed_identity if is_identity else self._kind]


def _credential(config: WorkspaceConfig, message: Callable[[str], None]) -> TokenCredential:
    def show_code(address: str, code: str, _: datetime) -> None:
        with shown():
            message(f"to sign in, open {address} in a browser and enter the code {code}")

    authority: dict[str, Any] = {"authority": _AUTHORITIES[config.cloud]} if config.cloud else {}
    match config.credential:
        case Credential.interactive:
            return InteractiveBrowserCredential(**authority)
        case Credential.device_code:
            return DeviceCodeCredential(prompt_callback=show_code, **authority)
        case Credential.cli:
            return AzureCliCredential()
        case Credential.managed_identity:
            return ManagedIdentityCredential(client_id=os.environ.get("AZURE_CLIENT_ID"))
        case Credential.environment:
            return EnvironmentCredential(**authority)
        case Credential.default:
            return DefaultAzureCredential(**authority)
