"""The requests of the parity cases.

To add a case, add its script to `scripts.py` and its request to this file. Then run
`make test-parity ARGS=--record`. The tests fail until our endpoint gives the recorded answer, or
until `differences.py` contains the reason of the difference.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TEXT = {"Content-Type": "text/plain"}
#: A form with a field and a file, as `curl -F` sends it.
PARTS = (
    b'--xyz\r\nContent-Disposition: form-data; name="a"\r\n\r\nfield\r\n'
    b'--xyz\r\nContent-Disposition: form-data; name="f"; filename="f.bin"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n\x00\xff\r\n--xyz--\r\n"
)


def parts(count: int, size: int, more: str = "") -> bytes:
    """Return a form with a number of equal parts."""
    head = f'--xyz\r\nContent-Disposition: form-data; name="a"{more}\r\n\r\n'
    return (head.encode() + b"v" * size + b"\r\n") * count + b"--xyz--\r\n"


MULTIPART = {"Content-Type": "multipart/form-data; boundary=xyz"}


@dataclass(frozen=True)
class Case:
    """A request, and the script that answers it."""

    script: str
    name: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)
    method: str = "POST"
    query: str = ""

    @property
    def id(self) -> str:
        return f"{self.script}: {self.name}"


RESULT_EXPRESSIONS = """
None | True | 0 | 1.5 | 'text' | '' | [] | {} | () | [1, 'zwei', None, {'drei': 3.5}]
{'a': None} | [None] | [True, False] | {'b': 1, 'a': 2} | [[], {}, ()] | (1, (2,)) | 'größe €'
'\\U0001f600' | '\\ud800' | '\\x00\\x1f\\x7f' | '</script>&"\\\\/' | '\\u2028' | 'a\\nb\\tc'
{'ключ': 'é'} | json.dumps({'a': 1}) | Text('t') | {Text('k'): Text('v')} | 2**64 | -2**63
2**200 | 10**4000 | -0.0 | 1e16 | 1e-7 | 1e22 | 123456789012345680.0 | 0.1 + 0.2 | 5e-324
1.7976931348623157e308 | float('nan') | [float('inf'), -float('inf')] | 1e5 | 100000.0 | Whole(3)
Real(0.5) | [Real('nan')] | Loud(7) | Row([1, 2]) | Table(a=1) | Point(1, 2) | [Point(1, 2)]
{1: 2} | {1.5: 2} | {True: 1, False: 0, None: 2} | {(1, 2): 3} | {b'a': 1} | {Size.BIG: 1}
{Colour.RED: 1} | {1: 'a', '1': 'b'} | {float('nan'): 1} | {np.int64(1): 2} | {np.str_('a'): 1}
collections.OrderedDict(b=1, a=2) | collections.defaultdict(list, a=[1])
collections.Counter('aab') | collections.deque([1]) | collections.ChainMap({'a': 1})
types.MappingProxyType({'a': 1}) | {1, 2} | frozenset() | b'bytes' | bytearray(b'x') | range(3)
iter([1]) | (x for x in [1]) | map(str, [1]) | array.array('d', [1.0]) | {'a': 1}.keys()
object() | print | int | ... | NotImplemented | 1j | datetime.date(2026, 1, 2)
datetime.datetime(2026, 1, 2) | datetime.timedelta(1) | decimal.Decimal('1.5')
fractions.Fraction(1, 2) | uuid.UUID(int=1) | pathlib.Path('a') | Colour.RED | Size.BIG | Name.A
Mode.ON | [Size.BIG, Name.A, Mode.ON] | Data(1) | dataclasses.asdict(Data(1)) | np.float32(0.5)
np.float64(0.5) | np.float64('nan') | np.int64(7) | np.int32(7) | np.bool_(True) | np.str_('s')
np.bytes_(b'b') | np.arange(3) | np.ones((2, 2)) | np.ones((2, 2)).T | np.array(1)
np.arange(3).tolist() | np.array(1.5).tolist() | [np.float64(0.1)] | {'digit': np.int64(7)}
np.float64(1e16) | np.float16(0.1) | np.datetime64('2026-01-02') | np.array([1.5]).item()
list(np.arange(2)) | np.nan | nested(300) | nested(300, dict) | nested(100000) | circle()
pickle.dumps(Data(1)) and 1 | Point.__module__ | __name__ | functools.partial(print)
Exception('x') | 1 / 0 | int('x') | [][0] | undefined | exec('raise TimeoutError')
exec('raise TimeoutError("slow")') | exec('raise SystemExit(1)') | exec('raise KeyboardInterrupt')
exec('raise OSError(5, "x")') | exec('raise StopIteration') | exec('raise RecursionError')
exec('raise MemoryError') | exec('class Own(BaseException): pass\\nraise Own')
exec('class Own(Exception):\\n def __str__(self): raise ValueError\\nraise Own')
"""


RAW_EXPRESSIONS = """
request.method | request.path | request.full_path | sorted(request.args)
request.args.getlist('do')[0][:3] | request.headers['X-Mine'] | request.headers.get('x-mine')
'Authorization' in request.headers | request.content_type | request.mimetype
request.content_length | request.is_json | request.get_json() | request.data.decode()
request.get_data().decode() | request.get_data(as_text=True) | request.json['a']
request.stream.read().decode() | list(request.form.items()) | list(request.files)
request.cookies | isinstance(request, AMLRequest) | isinstance(request, flask.Request)
type(request).__name__ | flask.request.method | flask.has_request_context()
request.user_agent.string | request.charset | flask.jsonify(a=1, b=[None]) | flask.Response('x')
flask.Response('x', 503) | flask.make_response('y', 202)
flask.Response('x', headers={'X-A': 'b'}) | flask.abort(404) | flask.redirect('/elsewhere')
request.endpoint | str(request.url_rule) | sorted(request.url_rule.methods) | request.blueprint
request.view_args | request.blueprints | flask.current_app.name | flask.current_app.logger.name
sorted(flask.g) | flask.g.api_name | [flask.g.client_request_id, type(flask.g.request_id).__name__]
[type(flask.g.start_datetime).__name__, flask.g.start_datetime.tzinfo]
flask.url_for('main.handle_score') | flask.url_for('.health_probe')
sorted(flask.current_app.blueprints) | flask.after_this_request(later) and 1
flask.current_app.debug | flask.current_app.testing | request.script_root | request.scheme
request.remote_addr | request.environ['SERVER_PROTOCOL'] | request.max_content_length
request.max_form_memory_size | request.max_form_parts | request.routing_exception
flask.current_app.config['MAX_FORM_PARTS'] | flask.has_app_context() | request.access_route
request.accept_mimetypes.best | flask.session.get('a')
sorted(str(rule) for rule in flask.current_app.url_map.iter_rules())
('a', 201) | AMLResponse('ok', 200) | AMLResponse(b'\\x00\\xff', 200) | AMLResponse('größe', 200)
AMLResponse('', 200) | AMLResponse(None, 200) | AMLResponse(None, 404) | AMLResponse('no', 400)
AMLResponse('bad', 500) | AMLResponse('teapot', 418) | AMLResponse('made', 201)
AMLResponse('', 204) | AMLResponse('', 304)
AMLResponse('moved', 302, {'Location': 'http://other/'})
AMLResponse('x', 503, run_function_failed=True) | AMLResponse({'a': 1}, 200, json_str=True)
AMLResponse([1, 'é'], 200, {}, True) | AMLResponse({'ab': 1}, 200) | AMLResponse(['a', 'b'], 200)
AMLResponse('x', 200, {'Content-Type': 'image/jpeg'})
AMLResponse('x', 200, {'content-type': 'image/png'}) | AMLResponse('x', 200, {'X-A': 'b, c,d'})
AMLResponse('{}', 200, {'Content-Type': 'application/json'}, True)
AMLResponse('x', 200, {'X-A': ''}) | AMLResponse('x', 200, {'Set-Cookie': 'a=b; Path=/'})
AMLResponse('x', 200, {'Content-Length': '1'}) | AMLResponse('x', 200, {'Connection': 'close'})
AMLResponse('x', 200, {'X-A': 'é'}) | AMLResponse('x', 200, {'X-A': 1})
AMLResponse('x', 200, {'X-A': 'a\\nb'}) | AMLResponse('x', 200, {'x-request-id': 'mine'})
AMLResponse('x', 200, {'X-A': '€'}) | AMLResponse('x', 200, {'X-A': 'a\\x7fb'})
AMLResponse('x', 200, {'X-A': 'a\\tb'}) | AMLResponse('x', 200, {'X A': 'b'})
AMLResponse('x', 200, {'X-é': 'b'}) | AMLResponse('x', 200, {'X-A\\nX-B': 'c'})
AMLResponse('x', 200, {'': 'b'}) | AMLResponse(1, 200) | AMLResponse((c for c in 'abc'), 200)
AMLResponse('x', '200 OK')
AMLResponse('x', 200, run_function_failed=True) | AMLResponse(float('nan'), 200, json_str=True)
AMLResponse({1, 2}, 200, json_str=True) | None | [1, 'a'] | b'bytes' | 1 / 0
"""

PLAIN_RESPONSE_EXPRESSIONS = """
AMLResponse('x', 202, {'X-A': 'b'}) | AMLResponse(b'\\xff', 200) | flask.jsonify([1])
flask.request.method | flask.Response('x', 500) | flask.current_app.json.dumps({'a': 1})
"""

MAIN_THREAD_EXPRESSIONS = """
threading.current_thread() is threading.main_thread() | LOOP.run_until_complete(three())
asyncio.run(three()) | signal.signal(signal.SIGUSR2, signal.SIG_IGN) is not None | alarm()
signal.getsignal(signal.SIGALRM) is ring | signal.getitimer(signal.ITIMER_REAL)[0] > 600
signal.alarm(0) > 600 | LOOP.close()
"""


def cases() -> list[Case]:
    """Return all cases, in the order of the scripts."""
    return [
        *_expressions("results", RESULT_EXPRESSIONS),
        *_echoes(),
        *_headers(),
        *_schemas(),
        *_raw_requests(),
        Case("raw, new names", "POST"),
        Case("late Flask", "first", b"{}", {**JSON, "X-Mine": "a"}),
        Case("late Flask", "GET", b"", {}, "GET"),
        *_expressions("plain responses", PLAIN_RESPONSE_EXPRESSIONS),
        *_expressions("main thread", MAIN_THREAD_EXPRESSIONS),
        *_expressions("slow", "time.sleep(20) | sleep() | 1"),
        Case("module name", "POST"),
    ]


def _expressions(script: str, table: str) -> Iterator[Case]:
    for expression in _split(table):
        yield Case(script, expression, expression.encode())


def _split(table: str) -> list[str]:
    return [cell.strip() for line in table.strip().splitlines() for cell in line.split(" | ")]


def _echoes() -> Iterator[Case]:
    posts: dict[str, tuple[bytes, Mapping[str, str]]] = {
        "JSON": (b'{"a": 1}', JSON),
        "no content type": (b'{"a": 1}', {}),
        "text": (b'{"a": 1}', TEXT),
        "charset": ("é".encode(), {"Content-Type": "application/json; charset=utf-8"}),
        "latin-1 that is not UTF-8": (b"\xe9", {"Content-Type": "text/plain; charset=latin-1"}),
        "UTF-16": ("é".encode("utf-16"), {"Content-Type": "text/plain; charset=utf-16"}),
        "a form": (b'{"a": 1}', FORM),
        "a form with a charset": (
            b"a=1",
            {"Content-Type": f"{FORM['Content-Type']}; charset=utf-8"},
        ),
        "a form in capitals": (b"a=1", {"Content-Type": FORM["Content-Type"].upper()}),
        "a form that is not UTF-8": (b"\xff", FORM),
        "form data": (PARTS, MULTIPART),
        "form data with a quoted boundary": (
            PARTS,
            {"Content-Type": 'multipart/form-data; boundary="xyz"'},
        ),
        "form data without a boundary": (b"{}", {"Content-Type": "multipart/form-data"}),
        "form data with an empty boundary": (
            b"{}",
            {"Content-Type": "multipart/form-data; boundary="},
        ),
        "form data without parts": (b"{}", MULTIPART),
        "form data of 1000 parts": (parts(1000, 1), MULTIPART),
        "form data of 1001 parts": (parts(1001, 1), MULTIPART),
        "a field of 400 kB": (parts(1, 400_000), MULTIPART),
        "two fields of 400 kB": (parts(2, 400_000), MULTIPART),
        "a field of 600 kB": (parts(1, 600_000), MULTIPART),
        "a file of 600 kB": (parts(1, 600_000, '; filename="f"'), MULTIPART),
        "malformed form data of 200 kB": (b"-" * 200_000, MULTIPART),
        "malformed form data of 600 kB": (b"-" * 600_000, MULTIPART),
        "malformed first part": (b"--xyz\r\nno header\r\n\r\n" + b"a" * 200_000, MULTIPART),
        "a form of 600 kB": (b"a=" + b"x" * 600_000, FORM),
        "other multipart": (b"{}", {"Content-Type": "multipart/mixed; boundary=xyz"}),
        "invalid URL-encoded type": (b"a=1", {"Content-Type": "application/x-url-encoded"}),
        "octets": (b"x", {"Content-Type": "application/octet-stream"}),
        "a content type that is none": (b"x", {"Content-Type": "nonsense"}),
        "an empty content type": (b"x", {"Content-Type": ""}),
        "empty body": (b"", JSON),
        "empty body without a content type": (b"", {}),
        "blanks": (b"  \n", JSON),
        "malformed JSON": (b'{"a": ', JSON),
        "BOM": (b"\xef\xbb\xbf{}", JSON),
        "NUL": (b"\x00", JSON),
        "not UTF-8": (b"\xff\xfe", JSON),
        "cut UTF-8": ("aé".encode()[:-1], JSON),
        "surrogate in UTF-8": (b"\xed\xa0\x80", JSON),
        "line ends": (b"a\r\nb\n", JSON),
        "a query too": (b"x", {}),
    }
    for name, (body, headers) in posts.items():
        query = "a=1" if name == "a query too" else ""
        yield Case("echo", name, body, headers, query=query)
    queries = {
        "GET": "",
        "a request line of 4094 bytes": "a=" + "1" * 4072,
        "a request line of 4095 bytes": "a=" + "1" * 4073,
        "values that are JSON": 'a=1&b=[1, 2]&c=null&d=true&e={"f": 1.0}&g=1e5&h="x"',
        "values that are text": "a=x y&b=&c=01&d=1,2&e=True",
        "plus and percent": "a=x+y&b=%C3%A9&c=%2B",
        "not UTF-8": "a=%FFb%C3%A9",
        "NaN": "a=NaN&b=-Infinity",
        "long numbers": "a=12345678901234567890123&b=0.1000000000000000055511151231257827",
        "several values": "a=1&a=x&b=2",
        "no value": "a&b&=c",
        "semicolons": "a=1;b=2",
        "blanks around JSON": "a=%201%20",
    }
    for name, query in queries.items():
        kept = "=&[]{},:;%+"
        yield Case("echo", f"query: {name}", b"", {}, "GET", quote(query, safe=kept))
    yield Case("echo", "GET with a body", b"{}", JSON, "GET", "a=1")
    for method in ("HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"):
        yield Case("echo", method, b"{}", JSON, method)


def _headers() -> Iterator[Case]:
    yield Case("headers", "none", b"{}", {})
    yield Case("headers", "GET", b"", {"x-mine": "a"}, "GET", "a=1")
    yield Case("headers", "a form", b"a=1", {**FORM, "X-Mine": ""})
    yield Case("headers", "trace id of a fault", b"\xff", {**JSON, "traceid": "a", "TraceId": "b"})
    long_id = "x" * 101
    more: dict[str, Mapping[str, str]] = {
        "JSON": {"x-mine": "a", "X-Other": "b, c"},
        "digits in a name": {"x-a1b-2c": "d"},
        "client id": {"x-ms-client-request-id": "mine"},
        "old client id": {"x-ms-request-id": "mine"},
        "two old client ids": {"x-ms-request-id": "a", "X-Ms-Request-Id": "b"},
        "client id of 100": {"x-ms-client-request-id": "x" * 100},
        "client id of 101": {"x-ms-client-request-id": long_id},
        "old client id of 101": {"x-ms-request-id": long_id},
        "old client id of 101 and a new id": {
            "x-ms-request-id": long_id,
            "x-ms-client-request-id": "a",
        },
        "request id of 100": {"x-request-id": "x" * 100},
        "request id of 101": {"x-request-id": long_id, "x-ms-client-request-id": "a"},
        "two request ids of 101": {"x-request-id": "x" * 50, "X-Request-Id": "x" * 50},
        "trace id": {"TraceId": "a"},
        "trace id and a request id of 101": {"TraceId": "a", "x-request-id": long_id},
        "blanks": {"Content-Type": " text/plain \t", "X-A": "\ta \t", "X-B": "  "},
        "underscores": {"x_a": "a", "X-A": "b", "X_B": "c", "x-b_c": "d"},
        "repeated": {"x-a": "a", "X-A": "b", "X-a": ""},
        "empty content type": {"Content-Type": "", "X-A": ""},
        "a header of 8190 bytes": {"X-A": "a" * (8190 - len("X-A: \r\n"))},
        "a header of 8191 bytes": {"X-A": "a" * (8191 - len("X-A: \r\n"))},
        "expect": {"Expect": "100-Continue"},
        "expect more": {"Expect": "more"},
        "two content types": {"content-type": "text/plain"},
        "a host with a comma": {"Host": "a,b"},
        "a host with a blank": {"Host": "a b"},
    }
    for name, headers in more.items():
        yield Case("headers", name, b"{}", {**JSON, **headers})


def _schemas() -> Iterator[Case]:
    bodies: dict[str, bytes] = {
        "both": b'{"data": [1, 2], "text": "y"}',
        "default": b'{"data": [1]}',
        "more keys": b'{"data": [1], "other": 2}',
        "missing": b'{"text": "y"}',
        "a list": b"[1]",
        "a number": b"1",
        "null": b"null",
        "empty": b"",
        "blanks": b"  ",
        "malformed": b'{"data": [1]',
        "two documents": b"{} {}",
        "single quotes": b"{'data': [1]}",
        "BOM": b'\xef\xbb\xbf{"data": [1]}',
        "UTF-16": '{"data": [1]}'.encode("utf-16"),
        "UTF-32": '{"data": [1]}'.encode("utf-32-le"),
        "not UTF-8": b'{"data": ["\xff"]}',
        "NaN": b'{"data": [NaN, Infinity]}',
        "double keys": b'{"data": [1], "data": [2]}',
        "nested deeply": b'{"data": ' + b"[" * 100_000,
    }
    for name, body in bodies.items():
        yield Case("schema", name, body)
    types = {
        "charset": "application/json; charset=utf-8",
        "capitals": "Application/JSON",
        "problem": "application/problem+json",
        "text": "text/plain",
        "text/json": "text/json",
        "a form": FORM["Content-Type"],
        "blanks": " application/json ",
        "JSON lines": "application/jsonl",
    }
    for name, kind in types.items():
        yield Case("schema", f"type: {name}", b'{"data": [1]}', {"Content-Type": kind})
    yield Case("schema", "no content type", b'{"data": [1]}', {})
    yield Case("schema", "query", b"", {}, "GET", "data=[1]&text=z")
    yield Case("schema", "query without data", b"", {}, "GET", "text=z")
    yield Case("schema and headers", "POST", b'{"data": [1]}', {**JSON, "X-Mine": "a"})


def _raw_requests() -> Iterator[Case]:
    headers = {**JSON, "X-Mine": "a", "User-Agent": "parity", "Cookie": "a=b"}
    for expression in _split(RAW_EXPRESSIONS):
        query = f"do={quote(expression)}"
        yield Case("raw", expression, b'{"a": 1}', headers, query=query)
    reads = {
        "form": (b"a=1&b=2", FORM, "list(request.form.items())"),
        "data of a form": (b"a=1&b=2", FORM, "request.data.decode()"),
        "all data of a form": (b"a=1&b=2", FORM, "request.get_data().decode()"),
        "files": (PARTS, MULTIPART, "[(n, list(f.read())) for n, f in request.files.items()]"),
        "fields": (PARTS, MULTIPART, "request.form['a']"),
        "binary": (
            b"\x00\xff",
            {},
            "AMLResponse(request.get_data(), 200, {'Content-Type': 'a/b'})",
        ),
        "JSON of another type": (b"{}", TEXT, "request.get_json()"),
        "malformed JSON": (b"{", JSON, "request.get_json()"),
        "not UTF-8 as text": (b"\xff", {}, "request.get_data(as_text=True)"),
        "no content type": (b"x", {}, "request.content_type"),
    }
    for name, (body, kind, expression) in reads.items():
        yield Case("raw", f"read: {name}", body, kind, query=f"do={quote(expression)}")
    yield Case("raw", "GET", b"", {}, "GET")
    yield Case("raw", "data of a GET", b"xy", TEXT, "GET", "do=request.data.decode()")
    yield Case("raw", "query of a GET", b"", {}, "GET", "do=sorted(request.args.items())&a=1")
