"""The scoring scripts of the parity cases."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Script:
    """A scoring script and the environment variables of its server."""

    source: str
    variables: Mapping[str, str] = field(default_factory=dict)


#: `run` evaluates the body of the request, which is an expression in Python.
RESULTS = """
import array, collections, dataclasses, datetime, decimal, enum, fractions, functools, json, math
import pathlib, pickle, types, uuid
import numpy as np

Point = collections.namedtuple("Point", "x y")

class Whole(int): pass
class Real(float): pass
class Text(str): pass
class Row(list): pass
class Table(dict): pass
class Loud(int):
    def __repr__(self): return "loud"
    __str__ = __repr__
class Colour(enum.Enum):
    RED = 1
class Size(enum.IntEnum):
    BIG = 2
class Name(str, enum.Enum):
    A = "a"
class Mode(enum.StrEnum):
    ON = "on"
@dataclasses.dataclass
class Data:
    x: int

def nested(depth, kind=list):
    made = 1
    for _ in range(depth):
        made = {"a": made} if kind is dict else [made]
    return made

def circle():
    made = []
    made.append(made)
    return made

def init(): pass
def run(raw_data): return eval(raw_data, globals())
"""

#: `run` returns what it got.
ECHO = """
def init(): pass
def run(raw_data): return [type(raw_data).__name__, len(raw_data), raw_data]
"""

HEADERS = """
def init(): pass
def run(request_headers, raw_data):
    kept = {k: v for k, v in request_headers.items() if k.startswith(("X", "Content-", "Accept"))}
    return [type(request_headers).__name__, dict(sorted(kept.items())), raw_data]
"""

SCHEMA = """
from inference_schema.schema_decorators import input_schema, output_schema
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType

def init(): pass

@input_schema("data", StandardPythonParameterType([1]))
@input_schema("text", StandardPythonParameterType("x"))
def run(data, text="usual"): return [data, text]
"""

SCHEMA_AND_HEADERS = """
from inference_schema.schema_decorators import input_schema
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType

def init(): pass

@input_schema("data", StandardPythonParameterType([1]))
def run(data, request_headers): return [data, request_headers["X-Mine"]]
"""

#: `run` evaluates the part of the query after `do=`.
RAW = """
import json
from azureml.contrib.services.aml_request import AMLRequest, rawhttp
from azureml.contrib.services.aml_response import AMLResponse
import flask

def later(response):
    response.headers["X-Later"] = "yes"
    return response

def init(): pass

@rawhttp
def run(request):
    return eval(request.args.get("do", "request.method"), globals() | {"request": request})
"""

#: `run` imports Flask only when it is called.
LATE_FLASK = """
def init(): pass
def run(raw_data):
    import flask
    return [flask.request.method, flask.request.headers.get("X-Mine"), flask.g.api_name]
"""

RAW_NEW_NAMES = """
from azureml_inference_server_http.api import aml_response
from azureml_inference_server_http.api.aml_request import rawhttp
import azureml_inference_server_http.api.aml_request as again

def init(): pass

@rawhttp
def run(request):
    same = again.rawhttp is rawhttp
    return aml_response.AMLResponse({"same": same}, 200, {"X-A": "b"}, json_str=True)
"""

#: A plain `run` that returns responses.
PLAIN_RESPONSES = """
import flask
from azureml.contrib.services.aml_response import *

def init(): pass
def run(raw_data): return eval(raw_data, globals())
"""

#: What only the main thread may do.
MAIN_THREAD = """
import asyncio, logging, signal, threading, time, warnings

def ring(number, frame):
    raise ValueError("rung")

def init():
    global LOOP
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        LOOP = asyncio.get_event_loop()
    signal.signal(signal.SIGUSR1, lambda number, frame: None)
    signal.signal(signal.SIGALRM, ring)
    signal.alarm(600)

async def three():
    await asyncio.sleep(0)
    return 3

def alarm():
    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    try:
        time.sleep(20)
    except ValueError as error:
        return str(error)

def run(raw_data): return eval(raw_data, globals())
"""

SLOW = """
import time
def init(): pass
def sleep():
    try:
        time.sleep(20)
    except Exception as error:
        return type(error).__name__
def run(raw_data): return eval(raw_data, globals())
"""

#: `run` returns the name of the script's module, and whether `sys.modules` contains the name.
MODULE_NAME = """
import sys
FOUND = __name__ in sys.modules
def init(): pass
def run(raw_data): return [FOUND, __name__]
"""

SCRIPTS = {
    "results": Script(RESULTS),
    "echo": Script(ECHO),
    "headers": Script(HEADERS),
    "schema": Script(SCHEMA),
    "schema and headers": Script(SCHEMA_AND_HEADERS),
    "raw": Script(RAW),
    "raw, new names": Script(RAW_NEW_NAMES),
    "late Flask": Script(LATE_FLASK),
    "plain responses": Script(PLAIN_RESPONSES),
    "main thread": Script(MAIN_THREAD),
    "slow": Script(SLOW, {"SCORING_TIMEOUT_MS": "100"}),
    "module name": Script(MODULE_NAME),
}
