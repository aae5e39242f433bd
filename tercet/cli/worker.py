"""``tercet worker``: one of several processes that share an ingest."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from tercet.cli.ingest import When
from tercet.cli.options import DEFAULT_MEMORY, AsJson, DatabaseUrl, MemoryFolder, QdrantUrl, open_memory
from tercet.cli.output import counted, note, print_json, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tercet.ingestion.sharing import WorkReport


def worker(
    memory: MemoryFolder = DEFAULT_MEMORY,
    once: Annotated[bool, typer.Option("--once", help="End when there is nothing to do; else wait for more.")] = False,
    embed: Annotated[When, typer.Option(help="Make dense vectors too, or leave them to others.")] = When.now,
    workers: Annotated[int | None, typer.Option(metavar="N", help="Parser processes.")] = None,
    database: DatabaseUrl = None,
    qdrant: QdrantUrl = None,
    as_json: AsJson = False,
) -> None:
    """Take part in ingests that were started with --distribute.

    Any number may run, on this host or others, and start and end at any time. Each claims files a few at a time, then
    texts without a vector. When one dies, others do what it was at. The files must lie at the same path on every host.
    SIGTERM ends a worker after the batch at hand.

    \b
    Examples:
      tercet worker --database postgresql://db/docs --qdrant http://vectors:6333
      tercet worker --once --embed later
      tercet worker --workers 8 --json
    """
    from tercet.ingestion.sharing import work

    with (
        _until_terminated() as stop,
        open_memory(memory, database=database, qdrant=qdrant) as opened,
    ):
        if not as_json and not once:
            note("Waiting for work; SIGTERM ends it.")
        report = work(
            opened,
            embed=embed is When.now,
            once=once,
            parsers=workers,
            stop=stop,
            progress=None if as_json else _show,
            note=None if as_json else note,
        )
    if as_json:
        print_json(asdict(report))
        return
    typer.echo(
        f"{counted(report.files, 'file')} in {counted(report.batches, 'batch', 'batches')}, {report.failed:,} failed; "
        f"{counted(report.embedded, 'text')} embedded"
    )
    for reason in report.refused:
        typer.echo(printable(f"  {reason}"))


def _show(report: WorkReport) -> None:
    note(f"Batches: {report.batches:,}, files: {report.files:,}, texts embedded: {report.embedded:,}")


@contextmanager
def _until_terminated() -> Iterator[threading.Event]:
    """An event that SIGTERM sets, while the command runs."""
    stop = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    try:
        yield stop
    finally:
        signal.signal(signal.SIGTERM, before)
