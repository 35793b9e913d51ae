"""The OpenAPI description of an endpoint, at the path `/swagger.json`.

On Azure ML, the description contains the types that decorators in the scoring script declare. The
description in this module does not depend on the script. The description allows any JSON as the
body, and lists the status codes that every endpoint can answer.
https://learn.microsoft.com/azure/machine-learning/how-to-inference-server-http
"""

from typing import Any

#: HTTP status of an answer at `/score` -> the content or the reason of such an answer.
ANSWERS = {
    200: "The result of run().",
    400: "The request is not valid HTTP.",
    401: "The key or token is missing or wrong.",
    404: "No deployment has traffic, or the named deployment does not exist.",
    405: "The method is neither GET nor POST.",
    408: "The deployment did not answer within request_timeout_ms.",
    413: "The body is larger than 10 MB.",
    424: "The status of the container is not 200; two headers contain this status and the reason.",
    429: "Too many requests are unanswered.",
    431: "The headers are too large.",
    502: "The workers ended while they answered the request.",
    503: "The deployment has failed.",
}
_DESCRIPTION = "Scores requests with the model of a deployment."


def swagger(endpoint: str, version: int) -> dict[str, Any]:
    """Return the description. `version` is 2 or 3, the version of OpenAPI."""
    info = {"title": endpoint, "description": _DESCRIPTION, "version": "1.0"}
    return _version_3(info) if version == 3 else _version_2(info)


def _version_2(info: dict[str, str]) -> dict[str, Any]:
    body: dict[str, Any] = {"in": "body", "name": "body", "required": True, "schema": {}}
    operation = {
        "operationId": "RunMLService",
        "description": _DESCRIPTION,
        "parameters": [body],
        "responses": {str(status): {"description": when} for status, when in ANSWERS.items()},
        "security": [{"Bearer": []}],
    }
    return {
        "swagger": "2.0",
        "info": info,
        "schemes": ["http"],
        "consumes": ["application/json"],
        "produces": ["application/json"],
        "securityDefinitions": {
            "Bearer": {"type": "apiKey", "name": "Authorization", "in": "header"}
        },
        "paths": {"/score": {"post": operation}, "/": {"get": _health()}},
    }


def _version_3(info: dict[str, str]) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": {}}}
    operation = {
        "operationId": "RunMLService",
        "description": _DESCRIPTION,
        "requestBody": {"required": True, "content": content},
        "responses": {
            str(status): {"description": when, "content": content}
            for status, when in ANSWERS.items()
        },
        "security": [{"Bearer": []}],
    }
    return {
        "openapi": "3.0.3",
        "info": info,
        "components": {"securitySchemes": {"Bearer": {"type": "http", "scheme": "bearer"}}},
        "paths": {"/score": {"post": operation}, "/": {"get": _health()}},
    }


def _health() -> dict[str, Any]:
    return {
        "operationId": "ServiceHealthCheck",
        "description": "Reports whether the endpoint is healthy.",
        "responses": {"200": {"description": "Healthy"}, "503": {"description": "Unhealthy"}},
    }
