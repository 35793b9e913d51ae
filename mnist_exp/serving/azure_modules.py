"""The modules of Azure ML's inference server, under the names that scripts import.

Azure ML's server gives its own modules the names of the older package `azureml.contrib.services`.
This module does the same. The script's environment therefore needs neither package.
"""

import importlib.util
import sys
from types import ModuleType
from typing import Any

_PACKAGE = "azureml_inference_server_http"
_OURS = "mnist_exp.serving.aml_api"
#: Name that a script imports -> our module.
_MODULES = {
    f"{_PACKAGE}.api.aml_request": "aml_request",
    f"{_PACKAGE}.api.aml_response": "aml_response",
    f"{_PACKAGE}.log_config": "log_config",
    "azureml.contrib.services.aml_request": "aml_request",
    "azureml.contrib.services.aml_response": "aml_response",
}
#: Our module -> the names that scripts import from the module.
_EXPORTS = {
    "aml_request": ["AMLRequest", "rawhttp"],
    "aml_response": ["AMLResponse"],
    "log_config": ["AMLLogFormatter", "RootAccessFilter"],
}
_NOT_INSTALLED = {
    "flask": "@rawhttp, AMLRequest and AMLResponse need Flask: "
    "pip install azureml-inference-server-http",
    "inference_schema": "@input_schema needs a package that is not installed: "
    "pip install inference-schema, or write run(raw_data) and parse the JSON yourself",
}


class _LateModule(ModuleType):
    """A placeholder that imports one of our modules when a script first uses a name in it.

    Most scripts use none of our modules, and the import of Flask takes long.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__all__ = _EXPORTS[_MODULES[name]]

    def __getattr__(self, name: str) -> Any:
        # Do not import our module for other names. Code such as `inspect.stack()` asks all modules
        # for `__file__`, and Flask may be missing.
        if name not in self.__all__:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{_OURS}.{_MODULES[self.__name__]}"), name)


def provide_modules() -> None:
    """Make the modules of Azure ML's inference server importable."""
    for name in (_PACKAGE, f"{_PACKAGE}.api"):
        if name not in sys.modules and importlib.util.find_spec(name) is None:
            sys.modules[name] = ModuleType(name)
            # Python imports submodules only from a module with this attribute.
            sys.modules[name].__path__ = []
    for name in _MODULES:
        package, _, last = name.rpartition(".")
        sys.modules[name] = _LateModule(name)
        if package in sys.modules:
            setattr(sys.modules[package], last, sys.modules[name])


def is_raw_http() -> bool:
    """Return whether the script has used the decorator `@rawhttp`."""
    module = sys.modules.get(f"{_OURS}.aml_request")
    return module is not None and module.is_raw_http_requested


def missing_fault(module: str) -> str:
    """Return an error message for a missing module of Azure ML; empty for any other module."""
    return _NOT_INSTALLED.get(module.partition(".")[0], "")
