"""Blob storage: the SDK uploads code and data to it, and downloads artifacts from it."""

from xml.sax.saxutils import escape

from tests.azure_emulator.wire import Call, RefusalError, Reply, route

CONTAINER = r"/wirestore\.blob\.localhost/(?P<container>[^/]+)"
BLOB = rf"{CONTAINER}/(?P<name>.+)"
STAMP = "Mon, 23 Nov 2026 00:00:00 GMT"


@route("HEAD", BLOB, "blob.head")
def head(call: Call) -> Reply:
    """Describe a blob."""
    content = _content(call)
    return Reply(200, None, {**_described(call, content), "x-length": str(len(content))})


@route("GET", BLOB, "blob.get")
def get(call: Call) -> Reply:
    """Return a blob, or a range of it."""
    content = _content(call)
    headers = _described(call, content)
    asked = call.headers.get("x-ms-range") or call.headers.get("range")
    if not asked:
        return Reply(200, content, headers)
    first, _, last = asked.removeprefix("bytes=").partition("-")
    start, end = int(first), min(int(last or len(content) - 1), len(content) - 1)
    if start > end:
        raise _error(416, "InvalidRange", "the range is beyond the end")
    headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
    return Reply(206, content[start : end + 1], headers)


@route("PUT", BLOB, "blob.put")
def put(call: Call) -> Reply:
    """Store a blob, a block, a list of blocks, or metadata."""
    store, key = call.emulator.store, (call.names["container"], call.names["name"])
    part = call.query.get("comp", "")
    if part == "metadata":
        _content(call)
    elif part == "block":
        store.blocks[*key, call.query["blockid"]] = call.body
        return Reply(201)
    elif part == "blocklist":
        ids = call.body.decode().split("<Latest>")[1:]
        names = [one.partition("</Latest>")[0] for one in ids]
        store.blobs[key] = b"".join(store.blocks.pop((*key, name)) for name in names)
    elif call.headers.get("if-none-match") == "*" and key in store.blobs:
        raise _error(409, "BlobAlreadyExists", "the blob exists")
    else:
        store.blobs[key] = call.body
    given = {
        name.removeprefix("x-ms-meta-"): value
        for name, value in call.headers.items()
        if name.startswith("x-ms-meta-")
    }
    if given or part == "metadata":
        store.blob_metadata[key] = given
    return Reply(200 if part == "metadata" else 201, None, {"ETag": '"1"', "Last-Modified": STAMP})


@route("GET", CONTAINER, "blob.list")
def listing(call: Call) -> Reply:
    """List the blobs whose names have a prefix."""
    prefix, mark = call.query.get("prefix", ""), call.query.get("delimiter", "")
    container, entries, seen = call.names["container"], [], set()
    for one, name in sorted(call.emulator.store.blobs):
        if one != container or not name.startswith(prefix):
            continue
        rest = name.removeprefix(prefix)
        if mark and mark in rest:
            folder = prefix + rest.partition(mark)[0] + mark
            if folder not in seen:
                seen.add(folder)
                entries.append(f"<BlobPrefix><Name>{escape(folder)}</Name></BlobPrefix>")
            continue
        size = len(call.emulator.store.blobs[one, name])
        entries.append(
            f"<Blob><Name>{escape(name)}</Name><Properties><Content-Length>{size}"
            f"</Content-Length><Last-Modified>{STAMP}</Last-Modified><Etag>1</Etag>"
            "<BlobType>BlockBlob</BlobType></Properties><Metadata /></Blob>"
        )
    body = (
        '<?xml version="1.0" encoding="utf-8"?>'
        f'<EnumerationResults ServiceEndpoint="{call.emulator.url}/" ContainerName="{container}">'
        f"<Prefix>{escape(prefix)}</Prefix><Blobs>{''.join(entries)}</Blobs><NextMarker />"
        "</EnumerationResults>"
    )
    return Reply(200, body.encode(), {"Content-Type": "application/xml"})


def _content(call: Call) -> bytes:
    key = (call.names["container"], call.names["name"])
    if key not in call.emulator.store.blobs:
        raise _error(404, "BlobNotFound", f"no blob {key[1]}")
    return call.emulator.store.blobs[key]


def _described(call: Call, content: bytes) -> dict[str, str]:
    key = (call.names["container"], call.names["name"])
    metadata = call.emulator.store.blob_metadata.get(key, {})
    return {
        "Content-Type": "application/octet-stream",
        "ETag": '"1"',
        "Last-Modified": STAMP,
        "x-ms-blob-type": "BlockBlob",
        "x-ms-blob-content-length": str(len(content)),
        **{f"x-ms-meta-{name}": value for name, value in metadata.items()},
    }


def _error(status: int, code: str, message: str) -> RefusalError:
    refusal = RefusalError(status, code, message)
    refusal.reply.headers["x-ms-error-code"] = code
    refusal.reply.content = (
        f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    ).encode()
    refusal.reply.headers["Content-Type"] = "application/xml"
    return refusal
