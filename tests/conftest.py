"""What every test runs under: no network, no model hub, the same random choices each time."""

from __future__ import annotations

import ipaddress
import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import make_url

from tercet.models.model_requests import allow_model_requests

if TYPE_CHECKING:
    from collections.abc import Iterator

# Child processes inherit these; set before anything can import a hub client.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
for _name in [name for name in os.environ if name.startswith("ANTHROPIC_")]:
    del os.environ[_name]  # nor may a key of whoever runs the tests be used or sent

# No test asks a hosted model by accident. The fixtures that start a stand-in for a service on 127.0.0.1 lift this as
# long as they last, and `_no_network` below still holds then.
allow_model_requests(False)

settings.register_profile(
    "tercet", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("tercet")

IN_MEMORY = Path("/dev/shm")
ROOM = 4 * 2**30
"""Bytes; containers have far less there by default."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run tests that take minutes")


def pytest_configure(config: pytest.Config) -> None:
    """Let tests write to memory where Linux offers a file system there: most of their time is flushing to a disk.

    To a process that is killed both are the same. TMPDIR or --basetemp choose another place; what the slow tests write
    may not fit.
    """
    chosen = config.getoption("--slow") or config.getoption("basetemp") or "TMPDIR" in os.environ
    if chosen or not IN_MEMORY.is_dir() or not os.access(IN_MEMORY, os.W_OK):
        return
    if shutil.disk_usage(IN_MEMORY).free >= ROOM:
        os.environ["TMPDIR"] = tempfile.tempdir = str(IN_MEMORY)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow") or config.getoption("markexpr"):  # -m says itself which ones run
        return
    skip = pytest.mark.skip(reason="takes minutes; run with --slow")
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(skip)


def _is_local(address: object) -> bool:
    """Unix sockets and loopback addresses; a name is resolved by nobody, so only localhost counts."""
    if not isinstance(address, tuple):
        return True
    host = address[0]
    if host in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections leave this machine in no test; nor are names looked up."""
    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address):
        if not _is_local(address):
            raise RuntimeError(f"a test tried to connect to {address!r}")
        return connect(self, address)

    def guarded_connect_ex(self: socket.socket, address):
        if not _is_local(address):
            raise RuntimeError(f"a test tried to connect to {address!r}")
        return connect_ex(self, address)

    def guarded_getaddrinfo(host, *args, **kwargs):
        name = host.decode() if isinstance(host, bytes) else host
        if name is not None and not _is_local((name, 0)):
            raise RuntimeError(f"a test tried to look up {name!r}")
        return getaddrinfo(host, *args, **kwargs)

    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    monkeypatch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
    monkeypatch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The public data sets: the folder named by TERCET_DATA, or ``../shared/data`` beside the repository."""
    named = os.environ.get("TERCET_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no data sets in {folder}; set TERCET_DATA to the folder that holds them")
    return folder


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL server: TERCET_POSTGRES_URL, or a throw-away cluster made with the installed programs."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'tercet[postgres]'")
    if url := os.environ.get("TERCET_POSTGRES_URL"):
        yield url
        return
    programs = _postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (no initdb); set TERCET_POSTGRES_URL or apt-get install postgresql")
    as_root = os.geteuid() == 0
    owner = {"user": "postgres", "group": "postgres"} if as_root else {}  # the server refuses to run as root
    folder = Path(tempfile.mkdtemp(prefix="tercet-postgres-"))
    try:
        if as_root:
            shutil.chown(folder, "postgres")
        cluster, port = folder / "cluster", _free_port()

        def call(program: str, *arguments: str) -> None:
            command = [str(programs / program), "-D", str(cluster), *arguments]
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd="/", **owner)

        call("initdb", "-U", "postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C")
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c fsync=off"
        call("pg_ctl", "-w", "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            call("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """URL of an empty database, which sorts by English rules where it can: no answer may depend on that."""
    psycopg = pytest.importorskip("psycopg")
    name = f"tercet_{uuid.uuid4().hex}"
    url = make_url(postgres_server).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as connection:
        locale = "LOCALE_PROVIDER icu ICU_LOCALE 'en'" if connection.info.server_version >= 150000 else ""
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C' {locale}")
        yield url.set(database=name).render_as_string(hide_password=False)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _postgres_programs() -> Path | None:
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name))
    return folders[-1] if folders else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
