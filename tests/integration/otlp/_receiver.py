"""A receiver of OTLP profiles, built on opentelemetry-proto's messages: it decodes what it is sent, by index."""

from __future__ import annotations

import gzip
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple


class Sample(NamedTuple):
    """One, with all that its indices refer to."""

    stack: tuple[tuple[str, str, int], ...]
    link: tuple[str, str]
    attributes: dict[str, Any]
    value: int


class Profiles(NamedTuple):
    """One request."""

    path: str
    headers: dict[str, str]
    request: Any
    resource: dict[str, Any]
    scope: str
    samples: dict[tuple[str, str], list[Sample]]   # by sample type

    def total(self, kind: str) -> int:
        """The sum over all samples of this type."""
        [samples] = [samples for (name, _), samples in self.samples.items() if name == kind]
        return sum(sample.value for sample in samples)


def _value(any_value: Any) -> Any:
    kind = any_value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in any_value.array_value.values]
    return getattr(any_value, kind) if kind else None


def decode(path: str, headers: dict[str, str], body: bytes) -> Profiles:
    """The request in this body. Fails where an index leads nowhere."""
    from opentelemetry.proto.collector.profiles.v1development import profiles_service_pb2  # not installed everywhere

    if headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    request = profiles_service_pb2.ExportProfilesServiceRequest.FromString(body)
    d = request.dictionary
    [of_resource] = request.resource_profiles
    [of_scope] = of_resource.scope_profiles

    def attributes(indices: Any) -> dict[str, Any]:
        found = [(d.string_table[d.attribute_table[i].key_strindex], _value(d.attribute_table[i].value)) for i in indices]
        assert len(dict(found)) == len(found), "the same key twice"
        return dict(found)

    def frame(index: int) -> tuple[str, str, int]:
        location = d.location_table[index]
        assert attributes(location.attribute_indices) == {"profile.frame.type": "cpython"}
        [line] = location.lines
        function = d.function_table[line.function_index]
        return d.string_table[function.name_strindex], d.string_table[function.filename_strindex], line.line

    samples: dict[tuple[str, str], list[Sample]] = {}
    for profile in of_scope.profiles:
        kind = tuple(d.string_table[i] for i in (profile.sample_type.type_strindex, profile.sample_type.unit_strindex))
        samples[kind] = []   # type: ignore[index]
        for sample in profile.samples:
            [value] = sample.values
            link = d.link_table[sample.link_index]
            samples[kind].append(Sample(   # type: ignore[index]
                tuple(frame(i) for i in d.stack_table[sample.stack_index].location_indices),
                (link.trace_id.hex(), link.span_id.hex()), attributes(sample.attribute_indices), value))
    resource = {a.key: _value(a.value) for a in of_resource.resource.attributes}
    return Profiles(path, headers, request, resource, of_scope.scope.name, samples)


class Receiver:
    """Listens on a free port until it is closed."""

    def __init__(
        self, answer: Callable[[int], tuple[int, dict[str, str], bytes]] | None = None, certificate: Path | None = None
    ) -> None:
        """answer: of the n-th request (from 0): status, headers and body. certificate: with its key, for HTTPS."""
        self.received: list[Profiles] = []
        self.requests = 0
        self.arrived = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                with receiver.arrived:
                    number = receiver.requests
                    receiver.requests += 1
                status, more, text = answer(number) if answer is not None else (200, {}, b"")
                if status == 200:   # before the answer, so that they are in the order of the exports
                    decoded = decode(self.path, headers, body)
                    with receiver.arrived:
                        receiver.received.append(decoded)
                        receiver.arrived.notify_all()
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self._server.handle_error = lambda *arguments: None   # type: ignore[method-assign]
            self.url = self.url.replace("http:", "https:")
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def wait(self, n: int) -> list[Profiles]:
        """What was received, once that are n."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.received) >= n, 60)
            return list(self.received)

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
