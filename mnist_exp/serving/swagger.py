"""The published description of an endpoint: `/swagger.json`, in version 2 or 3.

Azure ML's inference server describes the types that a script's decorators declare. This
description allows any JSON, and lists the answers of every endpoint.
https://learn.microsoft.com/azure/machine-learning/how-to-inference-server-http
"""

from typing import Any

#: Each status of `/score` -> its condition.
ANSWERS = {
    200: "The result of run().",
    400: "The message is not HTTP.",
    401: "The key or token is missing or wrong.",
    404: "No deployment has traffic, or the named deployment does not exist.",
    405: "Another method than GET and POST.",
    408: "No answer within request_timeout_ms.",
    413: "The body is larger than 10 MB.",
    424: "The container's answer was not 200; two headers give the container's answer.",
    429: "Too many requests are unanswered.",
    431: "The headers are too large.",
    502: "The workers ended while they answered the request.",
    503: "The deployment has failed.",
}
_DESCRIPTION = "Scores requests with the model of a deployment."


def swagger(endpoint: str, version: int) -> dict[str, Any]:
    """Return the description in version 2 or 3 of OpenAPI."""
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
