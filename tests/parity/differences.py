"""The parity cases whose answers may differ, each with the reason."""

_NO_RESULT = (
    "The container's status is 500 in both. Azure's server answers with a page of its HTTP server "
    "instead of a message in JSON."
)
_METHOD = (
    "The front of an endpoint refuses the method before the request reaches the container. "
    "A managed endpoint supports no CORS, which OPTIONS is for."
)

#: Id of a case -> the reason why our answer differs.
ALLOWED: dict[str, str] = {
    "results: exec('raise SystemExit(1)')": _NO_RESULT,
    "results: exec('raise KeyboardInterrupt')": _NO_RESULT,
    "results: exec('class Own(BaseException): pass\\nraise Own')": _NO_RESULT,
    "raw: AMLResponse(1, 200)": _NO_RESULT,
    "raw: AMLResponse('x', 200, {'X-A': '€'})": _NO_RESULT,
    "raw: AMLResponse('x', 200, {'X-A': 'a\\x7fb'})": _NO_RESULT,
    "raw: AMLResponse('x', 200, {'X A': 'b'})": _NO_RESULT,
    "raw: AMLResponse('x', 200, {'X-é': 'b'})": _NO_RESULT,
    "raw: AMLResponse('x', 200, {'X-A\\nX-B': 'c'})": _NO_RESULT,
    "raw: AMLResponse('x', 200, {'': 'b'})": _NO_RESULT,
    "echo: HEAD": _METHOD,
    "echo: PUT": _METHOD,
    "echo: DELETE": _METHOD,
    "echo: PATCH": _METHOD,
    "echo: OPTIONS": _METHOD,
}
