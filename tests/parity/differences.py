"""The parity cases whose answers may differ, each with the reason."""

_PAGE = (
    "The container's status is the same. Azure's server answers with a page of its HTTP server "
    "instead of a message in JSON."
)
_METHOD = (
    "The front of an endpoint refuses the method before the request reaches the container. "
    "A managed endpoint supports no CORS, which OPTIONS is for."
)
_HOST = (
    "The front refuses an invalid host, because two programs could understand the request "
    "differently. Azure's server does not use the host."
)
_HOOK = (
    "Only the worker's own code writes the answer, so Flask's hooks for answers have no effect. "
    "Scripts can return an AMLResponse with headers of their own."
)

#: Id of a case -> the reason why our answer differs.
ALLOWED: dict[str, str] = {
    "results: exec('raise SystemExit(1)')": _PAGE,
    "results: exec('raise KeyboardInterrupt')": _PAGE,
    "results: exec('class Own(BaseException): pass\\nraise Own')": _PAGE,
    "raw: AMLResponse(1, 200)": _PAGE,
    "raw: AMLResponse('x', 200, {'X-A': '€'})": _PAGE,
    "raw: AMLResponse('x', 200, {'X-A': 'a\\x7fb'})": _PAGE,
    "raw: AMLResponse('x', 200, {'X A': 'b'})": _PAGE,
    "raw: AMLResponse('x', 200, {'X-é': 'b'})": _PAGE,
    "raw: AMLResponse('x', 200, {'X-A\\nX-B': 'c'})": _PAGE,
    "raw: AMLResponse('x', 200, {'': 'b'})": _PAGE,
    "echo: query: a request line of 4095 bytes": _PAGE,
    "headers: a header of 8191 bytes": _PAGE,
    "headers: expect more": _PAGE,
    "headers: two content types": _PAGE,
    "headers: a host with a comma": _HOST,
    "headers: a host with a blank": _HOST,
    "raw: flask.after_this_request(later) and 1": _HOOK,
    "echo: HEAD": _METHOD,
    "echo: PUT": _METHOD,
    "echo: DELETE": _METHOD,
    "echo: PATCH": _METHOD,
    "echo: OPTIONS": _METHOD,
}
