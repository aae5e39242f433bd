"""A small Qdrant server for tests: the part of its REST interface that the adapter uses, over HTTP on this machine.

Requests are parsed by the client library's own models and answered by its in-memory engine, which is not made for
threads: one lock is around everything. So several processes can share one vector index in a test, each through the
adapter's real HTTP path. What it does not have: quantization, graphs, persistence.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_jsonable_python
from qdrant_client import QdrantClient, models

VERSION = "1.20.0"
COMPLETED = {"operation_id": 1, "status": "completed"}


class RefusedError(Exception):
    """An answer with a status of its own."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Engine:
    """What the server answers, by method and path."""

    def __init__(self) -> None:
        self._client = QdrantClient(":memory:")
        self._indexes: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self.embedded: dict[int, int] = {}
        """How often the dense vector of a point was set."""

    def answer(self, method: str, path: str, body: Any) -> Any:
        for verb, pattern, handle in _ROUTES:
            found = re.fullmatch(pattern, path)
            if verb == method and found:
                with self._lock:
                    return handle(self, *found.groups(), body)
        raise RefusedError(404, f"no route for {method} {path}")

    def exists(self, name: str, body: Any) -> Any:
        return {"exists": self._client.collection_exists(name)}

    def describe(self, name: str, body: Any) -> Any:
        self._known(name)
        info = to_jsonable_python(self._client.get_collection(name))
        info["payload_schema"] = {field: {**schema, "points": 0} for field, schema in self._indexes[name].items()}
        return info

    def create(self, name: str, body: Any) -> Any:
        if self._client.collection_exists(name):
            raise RefusedError(409, f"Wrong input: Collection `{name}` already exists!")
        made = models.CreateCollection(**body)
        self._client.create_collection(
            name,
            vectors_config=made.vectors,
            sparse_vectors_config=made.sparse_vectors,
            metadata=made.metadata,
        )
        self._indexes[name] = {}
        return True

    def drop(self, name: str, body: Any) -> Any:
        self._indexes.pop(name, None)
        return self._client.delete_collection(name)

    def index(self, name: str, body: Any) -> Any:
        self._known(name)
        made = models.CreateFieldIndex(**body)
        assert isinstance(made.field_schema, models.IntegerIndexParams)
        self._indexes[name][made.field_name] = {"data_type": "integer"}
        return COMPLETED

    def upsert(self, name: str, body: Any) -> Any:
        self._known(name)
        self._client.upsert(name, models.PointsList(**body).points)
        return COMPLETED

    def delete(self, name: str, body: Any) -> Any:
        self._known(name)
        self._client.delete(name, models.PointIdsList(**body))
        return COMPLETED

    def update_vectors(self, name: str, body: Any) -> Any:
        self._known(name)
        points = models.UpdateVectors(**body).points
        present = {record.id for record in self._client.retrieve(name, [point.id for point in points])}
        for point in points:
            if point.id not in present:  # the real server refuses the whole update
                raise RefusedError(404, f"Not found: No point with id {point.id} found")
        self._client.update_vectors(name, points)
        for point in points:
            if "dense" in point.vector:
                self.embedded[point.id] = self.embedded.get(point.id, 0) + 1
        return COMPLETED

    def retrieve(self, name: str, body: Any) -> Any:
        self._known(name)
        asked = models.PointRequest(**body)
        return self._client.retrieve(
            name, asked.ids, with_payload=asked.with_payload, with_vectors=asked.with_vector or False
        )

    def scroll(self, name: str, body: Any) -> Any:
        self._known(name)
        asked = models.ScrollRequest(**body)
        points, following = self._client.scroll(
            name,
            scroll_filter=asked.filter,
            offset=asked.offset,
            limit=asked.limit,
            with_payload=asked.with_payload,
            with_vectors=asked.with_vector or False,
        )
        return {"points": points, "next_page_offset": following}

    def query(self, name: str, body: Any) -> Any:
        self._known(name)
        asked = models.QueryRequest(**body)
        query = asked.query.nearest if isinstance(asked.query, models.NearestQuery) else asked.query
        return self._client.query_points(
            name,
            query=query,
            using=asked.using,
            limit=asked.limit,
            query_filter=asked.filter,
            with_payload=asked.with_payload,
        )

    def count(self, name: str, body: Any) -> Any:
        self._known(name)
        asked = models.CountRequest(**body)
        return self._client.count(name, asked.filter, exact=True)

    def _known(self, name: str) -> None:
        if not self._client.collection_exists(name):
            raise RefusedError(404, f"Not found: Collection `{name}` doesn't exist!")


_C = r"/collections/([^/]+)"
_ROUTES: list[tuple[str, str, Callable[..., Any]]] = [
    ("GET", _C + "/exists", Engine.exists),
    ("GET", _C, Engine.describe),
    ("PUT", _C, Engine.create),
    ("DELETE", _C, Engine.drop),
    ("PUT", _C + "/index", Engine.index),
    ("PUT", _C + "/points", Engine.upsert),
    ("POST", _C + "/points", Engine.retrieve),
    ("POST", _C + "/points/delete", Engine.delete),
    ("PUT", _C + "/points/vectors", Engine.update_vectors),
    ("POST", _C + "/points/scroll", Engine.scroll),
    ("POST", _C + "/points/query", Engine.query),
    ("POST", _C + "/points/count", Engine.count),
]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine: Engine

    def _answer(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"null")
        path = self.path.partition("?")[0]
        status, document = 200, {"title": "qdrant", "version": VERSION}
        if path != "/":
            status, document = self._result(path, body)
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _result(self, path: str, body: Any) -> tuple[int, Any]:
        try:
            result = to_jsonable_python(self.engine.answer(self.command, path, body), fallback=float)
        except RefusedError as refusal:
            return refusal.status, {"status": {"error": str(refusal)}, "time": 0.0}
        except (ValidationError, ValueError) as error:
            return 400, {"status": {"error": f"Wrong input: {error}"}, "time": 0.0}
        return 200, {"result": result, "status": "ok", "time": 0.0}

    do_GET = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815 - names of http.server

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that was killed in the middle of a request is nothing to report."""


@contextmanager
def qdrant_server() -> Iterator[tuple[str, Engine]]:
    """URL of a server that lasts as long as the context, and its engine."""
    engine = Engine()
    http = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"engine": engine}))
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_address[1]}", engine
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
