"""The server adapter: what it sends, and what it makes of refusals. A loopback server answers with prepared replies."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

from tercet.errors import ConfigurationError, CorruptMemoryError, StoreError
from tercet.memory.server import drop_server, open_server
from tercet.memory.vectors import IndexSpec, Point

SPEC = IndexSpec(dimension=4, integers=("corpus", "day"))


class FakeServer:
    """Keeps the requests, and answers each as ``replies`` says by method and path; else with an empty result."""

    def __init__(self, version: str = "1.20.0") -> None:
        self.requests: list[tuple[str, str, dict[str, object]]] = []
        self.replies: dict[tuple[str, str], list[tuple[int, object]]] = {
            ("GET", "/"): [(200, {"title": "qdrant", "version": version})],
            ("GET", "/collections/notes/exists"): [(200, {"exists": False})],
            ("GET", "/collections/notes"): [(200, collection())],
            ("PUT", "/collections/notes/index"): [(200, {"status": "completed"})],
        }
        self.keys: set[str | None] = set()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                path = self.path.partition("?")[0]
                fake.keys.add(self.headers.get("api-key"))
                fake.requests.append((self.command, self.path, json.loads(self.rfile.read(length) or b"{}")))
                prepared = fake.replies.get((self.command, path), [(200, True)])
                status, result = prepared.pop(0) if len(prepared) > 1 else prepared[0]
                body = result if path == "/" or status >= 400 else {"result": result, "status": "ok", "time": 0.0}
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_PUT = do_POST = do_DELETE = answer  # noqa: N815 - names of http.server

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    def sent(self, method: str, path: str) -> list[dict[str, object]]:
        return [body for verb, where, body in self.requests if verb == method and where.partition("?")[0] == path]


def collection(metadata: object = None, indexed: tuple[str, ...] = ()) -> dict[str, object]:
    config = {
        "params": {"vectors": {"dense": {"size": 4, "distance": "Cosine"}}, "sparse_vectors": {"sparse": {}}},
        "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10_000},
        "optimizer_config": {
            "deleted_threshold": 0.2,
            "vacuum_min_vector_number": 1_000,
            "default_segment_number": 0,
            "flush_interval_sec": 5,
        },
        "metadata": metadata,
    }
    return {
        "status": "green",
        "optimizer_status": "ok",
        "segments_count": 1,
        "points_count": 0,
        "config": config,
        "payload_schema": {name: {"data_type": "integer", "points": 0} for name in indexed},
    }


@pytest.fixture
def server():
    fake = FakeServer()
    yield fake
    fake.stop()


def test_a_new_collection_is_made_with_the_semantics_of_the_embedded_index(server):
    open_server(server.url, "notes", SPEC).close()
    (made,) = server.sent("PUT", "/collections/notes")
    assert made["vectors"]["dense"]["size"] == 4
    assert made["vectors"]["dense"]["distance"] == "Cosine"
    assert made["vectors"]["dense"]["datatype"] == "float16"
    assert made["vectors"]["dense"]["quantization_config"] == {"turbo": {"always_ram": True, "bits": "bits4"}}
    assert made["sparse_vectors"]["sparse"].get("modifier") is None
    assert made["metadata"] == {"tercet": {"dimension": 4, "integers": ["corpus", "day"]}}
    assert [body["field_name"] for body in server.sent("PUT", "/collections/notes/index")] == ["corpus", "day"]
    assert server.sent("PUT", "/collections/notes/index")[0]["field_schema"] == {
        "type": "integer",
        "lookup": True,
        "range": True,
    }


def test_a_server_without_turbo_quantization_gets_scalar_codes():
    old = FakeServer(version="1.17.1")
    try:
        open_server(old.url, "notes", SPEC).close()
        (made,) = old.sent("PUT", "/collections/notes")
        assert made["vectors"]["dense"]["quantization_config"]["scalar"]["type"] == "int8"
    finally:
        old.stop()


def test_a_server_that_cannot_keep_metadata_is_refused():
    old = FakeServer(version="1.15.0")
    try:
        with pytest.raises(ConfigurationError, match=r"older than 1\.16"):
            open_server(old.url, "notes", SPEC)
    finally:
        old.stop()


def test_indexes_that_a_crash_left_out_are_made_on_opening(server):
    server.replies["GET", "/collections/notes/exists"] = [(200, {"exists": True})]
    described = {"tercet": {"dimension": 4, "integers": ["corpus", "day"]}}
    server.replies["GET", "/collections/notes"] = [(200, collection(described, indexed=("corpus",)))]
    open_server(server.url, "notes", SPEC).close()
    assert server.sent("PUT", "/collections/notes") == []
    assert [body["field_name"] for body in server.sent("PUT", "/collections/notes/index")] == ["day"]


@pytest.mark.parametrize("metadata", [None, {}, {"tercet": {"dimension": 8, "integers": ["corpus", "day"]}}])
def test_a_collection_of_somebody_else_is_refused(server, metadata):
    server.replies["GET", "/collections/notes/exists"] = [(200, {"exists": True})]
    server.replies["GET", "/collections/notes"] = [(200, collection(metadata))]
    with pytest.raises(CorruptMemoryError, match="notes") as refusal:
        open_server(server.url, "notes", SPEC)
    assert "tercet reindex" in refusal.value.remedy
    assert [verb for verb, _, _ in server.requests if verb != "GET"] == []


def test_writes_wait_until_the_server_has_applied_them_in_small_batches(server):
    server.replies["PUT", "/collections/notes/points"] = [(200, {"status": "completed"})]
    index = open_server(server.url, "notes", SPEC)
    index.upsert([Point(id=key, payload={}) for key in range(600)])
    writes = [(path, body) for verb, path, body in server.requests if verb == "PUT" and "/points" in path]
    assert [len(body["points"]) for _, body in writes] == [256, 256, 88]
    assert all("wait=true" in path for path, _ in writes)
    index.close()


def test_searches_rescore_the_codes_and_exact_ones_ignore_them(server):
    server.replies["POST", "/collections/notes/points/query"] = [(200, {"points": []})]
    index = open_server(server.url, "notes", SPEC)
    index.nearest_dense(np.ones(4, np.float32), limit=5)
    index.nearest_dense(np.ones(4, np.float32), limit=5, exact=True)
    usual, exact = (body["params"] for body in server.sent("POST", "/collections/notes/points/query"))
    assert usual["quantization"] == {"ignore": False, "rescore": True, "oversampling": 2.0}
    assert exact["exact"] is True
    assert exact["quantization"]["ignore"] is True
    index.close()


def test_a_point_removed_by_another_writer_meanwhile_does_not_fail_set_dense(server):
    server.replies["POST", "/collections/notes/points"] = [(200, [{"id": 1}, {"id": 2}]), (200, [{"id": 2}])]
    gone = {"status": {"error": "Not found: No point with id 1"}, "time": 0.0}
    server.replies["PUT", "/collections/notes/points/vectors"] = [(404, gone), (200, {"status": "completed"})]
    index = open_server(server.url, "notes", SPEC)
    index.set_dense([1, 2], np.ones((2, 4), np.float32))
    tried = server.sent("PUT", "/collections/notes/points/vectors")
    assert [[point["id"] for point in body["points"]] for body in tried] == [[1, 2], [2]]
    index.close()


def test_the_key_is_sent_and_a_refusal_asks_for_it(server):
    server.replies["GET", "/collections/notes/exists"] = [(403, {"status": {"error": "Forbidden"}})]
    with (
        pytest.warns(UserWarning, match="insecure"),
        pytest.raises(StoreError, match=server.url) as refusal,
    ):
        open_server(server.url, "notes", SPEC, api_key="secret")
    assert server.keys == {"secret"}
    assert "API key" in refusal.value.remedy
    assert "secret" not in str(refusal.value)


def test_other_refusals_carry_the_servers_words(server):
    server.replies["GET", "/collections/notes/exists"] = [(500, {"status": {"error": "disk on fire"}})]
    with pytest.raises(StoreError, match=r"500.*disk on fire"):
        open_server(server.url, "notes", SPEC)


def test_a_server_out_of_reach_is_named_without_its_password():
    with pytest.raises(StoreError, match=r"http://127\.0\.0\.1:9 failed") as refusal:
        open_server("http://ada:secret@127.0.0.1:9", "notes", SPEC)
    assert "--qdrant URL" in refusal.value.remedy
    assert "secret" not in str(refusal.value)


def test_a_malformed_url_is_a_configuration_error():
    with pytest.raises(ConfigurationError, match="http://localhost:6333"):
        open_server("nonsense://", "notes", SPEC)


def test_dropping_makes_room_for_another_spec_and_needs_no_collection():
    client = QdrantClient(":memory:")
    drop_server(client, "notes")
    open_server(client, "notes", SPEC).close()
    drop_server(client, "notes")
    index = open_server(client, "notes", IndexSpec(dimension=8))
    assert index.count() == 0
    assert isinstance(client.get_collection("notes").config.params.vectors["dense"], models.VectorParams)


def test_a_given_client_stays_open():
    client = QdrantClient(":memory:")
    open_server(client, "notes", SPEC).close()
    assert client.collection_exists("notes")
