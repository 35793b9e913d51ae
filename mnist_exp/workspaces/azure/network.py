"""Explain errors of the network between this machine and Azure: certificates, proxies, host names.

The SDK sends its requests with the library `requests`, which reads the environment variables
REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, HTTPS_PROXY and NO_PROXY.
"""

import os
import re
import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import requests
from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from requests.exceptions import (
    InvalidSchema,
    InvalidURL,
    ProxyError,
    RequestException,
    SSLError,
    Timeout,
)
from requests.utils import get_environ_proxies, select_proxy

#: HTTP statuses of transient errors: the next try may succeed.
TRANSIENT_STATUSES = (408, 429, 500, 502, 503, 504)
#: Errors of a connection that failed, or of an answer that did not arrive.
_CONNECTION_ERRORS = (
    ServiceRequestError,
    ServiceResponseError,
    requests.ConnectionError,
    Timeout,
    ConnectionError,
    TimeoutError,
)
#: Secrets that a message must never show: signatures, keys and passwords in addresses, tokens in
#: headers.
_SECRETS = re.compile(
    r"(?i)\b(sig|skoid|key|token|secret|password)=[^&\s\"']+|Bearer\s+[\w.~+/=-]+|"
    r"(?<=//)[^\s/]+(?=@)"
)
#: Maximum number of characters that a message quotes from Azure's text.
_LONGEST_TEXT = 400

#: Environment variables that name a file with certificates of authorities, in the order in which
#: `requests` reads these variables.
CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
#: A similar variable, which OpenSSL and other programs use. `requests` ignores this variable.
OTHER_CA_VARIABLES = ("SSL_CERT_FILE",)
#: Codes of OpenSSL's certificate checks:
#: https://docs.openssl.org/master/man3/X509_STORE_CTX_get_error
_NOT_YET_VALID, _EXPIRED = 9, 10
_OTHER_HOST = (62, 64)
#: User name and password in the address of a proxy. The password may contain `@` and `/`.
_PASSWORD = re.compile(r"^([\w.+-]+://)?.*@")
#: The answer of a proxy that opens no connection to Azure.
_PROXY_STATUS = re.compile(r"Tunnel connection failed: (\d+[\w ]*)")
#: Seconds that `connection_fault` waits for an answer.
_PROBE_TIMEOUT_S = 10
#: Maximum number of exceptions that `_causes` examines.
_MAX_CAUSES = 50


def network_fault(error: BaseException) -> str | None:
    """Return the cause and the remedy, if a certificate or a proxy is the cause of an error.

    The result is None for other errors. These errors may disappear if the request is repeated. A
    wrong certificate or proxy does not disappear.
    """
    causes = _causes(error)
    return _tls_fault(causes) or _proxy_fault(causes)


def is_connection_error(error: BaseException) -> bool:
    """Return whether a connection failed, or an answer did not arrive."""
    return any(isinstance(cause, _CONNECTION_ERRORS) for cause in _causes(error))


def connection_fault(url: str) -> str | None:
    """Return the fault of the connection to a server; None if the server answers."""
    error = connection_error(url)
    return None if error is None else cause_text(error)


def connection_error(url: str) -> Exception | None:
    """Send a request without a token to a server. Return the error; None if the server answers."""
    try:
        requests.head(url, timeout=_PROBE_TIMEOUT_S, allow_redirects=False)
    except (RequestException, OSError, ValueError) as error:
        return error
    return None


def cause_text(error: Exception) -> str:
    """Return the cause of an error on one line. The remedy follows, if a remedy is known."""
    if fault := network_fault(error):
        return fault
    causes = _causes(error)
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return (
            "the name of the server cannot be resolved; check the network, the VPN and the names "
            "in workspace.cloud and ARM_CLOUD_METADATA_URL"
        )
    if _is_overloaded(causes):
        return _proxy_refusal(causes)
    return error_text(error) + ("; check the network" if is_connection_error(error) else "")


def error_text(error: Exception) -> str:
    """Return an exception's message on one line, without secrets."""
    inner = getattr(error, "error", None)
    text = str(getattr(inner, "message", None) or getattr(error, "message", None) or error)
    return _SECRETS.sub("[hidden]", " ".join(text.split()))[:_LONGEST_TEXT]


def ca_variable() -> str | None:
    """Return the environment variable that names the file with certificates; None if not set."""
    return next((name for name in CA_VARIABLES if os.environ.get(name)), None)


def ca_file_fault(variable: str) -> str | None:
    """Return the fault of the file that a variable of `CA_VARIABLES` names; None if valid."""
    path = Path(os.environ[variable])
    try:
        if path.is_dir():
            ssl.create_default_context(capath=path)
        else:
            ssl.create_default_context(cafile=path)
    except OSError as error:
        why = "it contains no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        return (
            f"{variable}: must be a PEM file with certificates of authorities, got {path} "
            f"({why}); correct the path, or unset {variable}"
        )
    return None


def proxy_of(url: str) -> tuple[str, str] | None:
    """Return the environment variable and the address of the proxy for a URL; None if no proxy.

    The address contains no password.
    """
    address = select_proxy(url, get_environ_proxies(url, no_proxy=None))
    if not address:
        return None
    own = f"{urlsplit(url).scheme}_proxy"
    names = (own.upper(), own, "ALL_PROXY", "all_proxy")
    variable = next((name for name in names if os.environ.get(name) == address), own.upper())
    return variable, _PASSWORD.sub(r"\1", address)


def _tls_fault(causes: list[BaseException]) -> str | None:
    if any("TLS CA certificate bundle" in str(cause) for cause in causes):
        return _used_ca_file_fault() or str(causes[0])
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _certificate_fault(cause.verify_code)
    if any(isinstance(cause, ssl.SSLEOFError) for cause in causes):
        # The server or a proxy closed the connection, for example because it restarts.
        return None
    if any(isinstance(cause, SSLError | ssl.SSLError) for cause in causes):
        text = next((str(cause) for cause in causes if isinstance(cause, ssl.SSLError)), "")
        return _used_ca_file_fault() or (
            f"the TLS connection failed ({text or 'no secure connection'}); check the proxy in "
            "HTTPS_PROXY, and that the address speaks HTTPS"
        )
    return None


def _used_ca_file_fault() -> str | None:
    variable = ca_variable()
    return ca_file_fault(variable) if variable else None


def _certificate_fault(code: int) -> str:
    if code in (_NOT_YET_VALID, _EXPIRED):
        is_over = "has expired" if code == _EXPIRED else "is not valid yet"
        return (
            f"the server's certificate {is_over}; check the clock of this machine, and ask the "
            "administrator of the server or proxy for a new certificate"
        )
    if code in _OTHER_HOST:
        return (
            "the server's certificate belongs to another host name; check the address, and whether "
            "a proxy or a private DNS zone redirects the request"
        )
    variable = ca_variable()
    where = (
        f"add the certificate to the file {os.environ[variable]} ({variable})"
        if variable
        else "set REQUESTS_CA_BUNDLE to a PEM file with all authorities that you trust"
    )
    return (
        "the server's certificate was signed by an unknown authority, for example by a proxy that "
        f"reads TLS traffic; ask your administrator for the authority's certificate, and {where}"
    )


def _proxy_fault(causes: list[BaseException]) -> str | None:
    variable, address = _used_proxy(causes)
    if any("SOCKS" in str(cause) for cause in causes if isinstance(cause, InvalidSchema)):
        return f"{variable}: a SOCKS proxy needs the package PySocks; run pip install pysocks"
    if address and any(map(_is_invalid_address, causes)):
        return f"{variable}: must be http://HOST:PORT, got {address}; correct or unset {variable}"
    if not any(isinstance(cause, ProxyError) for cause in causes) or _is_overloaded(causes):
        return None
    return _proxy_refusal(causes)


def _is_invalid_address(cause: BaseException) -> bool:
    # For some addresses, `requests` does not convert the ValueError of urllib3.
    is_unparsed = isinstance(cause, ValueError) and str(cause).startswith("Failed to parse: ")
    return isinstance(cause, InvalidURL) or is_unparsed


def _proxy_refusal(causes: list[BaseException]) -> str:
    """Return why a proxy opened no connection, and the remedy."""
    variable, address = _used_proxy(causes)
    proxy, status = f"{variable}: the proxy {address}".rstrip(), _proxy_status(causes)
    if not status:
        return (
            f"{proxy} does not answer; correct or unset {variable}, or add the host name to "
            "NO_PROXY"
        )
    if status.startswith("407"):
        return (
            f"{proxy} requires a user name and a password; set "
            f"{variable}=http://USER:PASSWORD@HOST:PORT"
        )
    return (
        f"{proxy} refused the connection with status {status}; ask the administrator of the proxy, "
        "or add the host name to NO_PROXY"
    )


def _is_overloaded(causes: list[BaseException]) -> bool:
    """Return whether a proxy failed with a status that may disappear."""
    return _proxy_status(causes).startswith(tuple(map(str, TRANSIENT_STATUSES)))


def _proxy_status(causes: list[BaseException]) -> str:
    """Return the status with which a proxy refused a connection; empty if no proxy refused."""
    found = (_PROXY_STATUS.search(str(cause)) for cause in causes)
    return next((match[1] for match in found if match), "")


def _used_proxy(causes: list[BaseException]) -> tuple[str, str]:
    """Return the environment variable and the address of the proxy that a request used.

    The address is empty if no proxy is known.
    """
    urls = (getattr(getattr(cause, "request", None), "url", None) for cause in causes)
    # A request that was not sent has no URL.
    url = next(filter(None, urls), "https://management.azure.com")
    return proxy_of(url) or ("HTTPS_PROXY", "")


def _causes(error: BaseException) -> list[BaseException]:
    """Return an exception and all its causes.

    The libraries save a cause in different attributes, or as an argument of the exception.
    """
    found: list[BaseException] = []
    queue = [error]
    while queue and len(found) < _MAX_CAUSES:
        cause = queue.pop(0)
        if any(cause is one for one in found):
            continue
        found.append(cause)
        inner = (getattr(cause, name, None) for name in ("inner_exception", "reason"))
        nested = (cause.__cause__, cause.__context__, *inner, *cause.args)
        queue += [one for one in nested if isinstance(one, BaseException)]
    return found
