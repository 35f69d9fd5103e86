"""A request to an ASGI application, without a server."""

from __future__ import annotations


async def call(app, method, path, body=b"", query=b""):
    """Returns the status."""
    status = []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query,
        "headers": [(b"host", b"api"), (b"content-type", b"application/json")],
        "client": ("10.0.0.9", 4711),
        "server": ("api", 80),
    }

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        if message["type"] == "http.response.start":
            status.append(message["status"])

    await app(scope, receive, send)
    return status[0]
