"""The parity cases whose answers may differ, each with the reason."""

#: The reason of a case whose status must be the same.
OTHER_BODY = (
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
    "results: exec('raise SystemExit(1)')": OTHER_BODY,
    "results: exec('raise KeyboardInterrupt')": OTHER_BODY,
    "results: exec('class Own(BaseException): pass\\nraise Own')": OTHER_BODY,
    "raw: AMLResponse(1, 200)": OTHER_BODY,
    "raw: AMLResponse('x', 200, {'X-A': '€'})": OTHER_BODY,
    "raw: AMLResponse('x', 200, {'X-A': 'a\\x7fb'})": OTHER_BODY,
    "raw: AMLResponse('x', 200, {'X A': 'b'})": OTHER_BODY,
    "raw: AMLResponse('x', 200, {'X-é': 'b'})": OTHER_BODY,
    "raw: AMLResponse('x', 200, {'X-A\\nX-B': 'c'})": OTHER_BODY,
    "raw: AMLResponse('x', 200, {'': 'b'})": OTHER_BODY,
    "echo: query: a request line of 4095 bytes": OTHER_BODY,
    "headers: a header of 8191 bytes": OTHER_BODY,
    "headers: expect more": OTHER_BODY,
    "headers: two content types": OTHER_BODY,
    "headers: a host with a comma": _HOST,
    "headers: a host with a blank": _HOST,
    "raw: flask.after_this_request(later) and 1": _HOOK,
    "echo: HEAD": _METHOD,
    "echo: PUT": _METHOD,
    "echo: DELETE": _METHOD,
    "echo: PATCH": _METHOD,
    "echo: OPTIONS": _METHOD,
}
