"""How the commands print: JSON, plain text and progress, on a terminal and elsewhere."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import TaskID

    from tercet.records import Progress

PATIENCE_S = 0.5
"""How long a command may stay silent before it says what it is waiting for."""
PLAIN_INTERVAL_S = 5.0
"""Seconds between two plain progress lines of one phase."""
SHORTEST_ITEM = 8
"""Columns of a terminal below which the end of a name says nothing."""

PHASES = {
    "fetch": "Fetching pages",
    "scan": "Looking for changes",
    "parse": "Reading files",
    "index": "Indexing words",
    "embed": "Embedding",
    "reindex": "Rebuilding the index",
    "backup": "Backing up",
    "restore": "Restoring",
    "export": "Exporting",
    "import": "Importing",
    "forget": "Forgetting",
    "record": "Recording turns",
    "ask": "Asking questions",
    "sweep": "Configurations",
    "judge": "Judging",
}


def print_json(document: object) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2, default=_plain))


def _plain(value: object) -> object:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def printable(text: str) -> str:
    """Take out control characters: text from documents must not steer a terminal.

    Example:
        >>> printable("red\\x1b[31m")
        'red[31m'
    """
    return "".join(sign for sign in text if sign in "\n\t" or (sign >= " " and not "\x7f" <= sign <= "\x9f"))


def print_table(names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table on a terminal; elsewhere lines of cells between tabs, which other programs can cut."""
    cells = [[printable(str(cell)).replace("\n", " ").replace("\t", " ") for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for row in (names, *cells):
            typer.echo("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, caption=counted(len(rows), "row"))
    for name in names:
        table.add_column(name, overflow="fold")
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))  # texts are data: no markup
    Console().print(table)


def note(text: str) -> None:
    """Say something that is not a result: on standard error, so that results can be piped."""
    typer.echo(printable(text), err=True)


def seconds(value: float) -> str:
    """A duration for people.

    Example:
        >>> seconds(0.42), seconds(75)
        ('0.4 s', '1 min 15 s')
    """
    return f"{value:.1f} s" if value < 60 else f"{int(value // 60)} min {int(value % 60)} s"


def counted(count: int, noun: str, plural: str = "") -> str:
    """A number and its noun.

    Example:
        >>> counted(1, "file"), counted(1200, "file"), counted(2, "copy", "copies")
        ('1 file', '1,200 files', '2 copies')
    """
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


@contextmanager
def progress_shown(*, quiet: bool) -> Iterator[Callable[[Progress], None] | None]:
    """Give a callback that shows progress on standard error: bars on a terminal, plain lines elsewhere.

    Args:
        quiet: Show nothing at all (``--json``); the callback is then None.
    """
    if quiet:
        yield None
    elif sys.stderr.isatty():
        with _Bars() as bars:
            yield bars
    else:
        yield _Lines()


class _Bars:
    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        console = Console(stderr=True)
        bar = 30 if console.width >= 100 else 16
        self._room = min(40, console.width - bar - 50)  # the other columns take up to 50, and nothing may wrap
        self._bars = RichProgress(
            TextColumn("{task.description:<20}", markup=False),
            BarColumn(bar_width=bar),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[item]}", markup=False),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> _Bars:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks.values():
            self._bars.update(task, item="")
        self._bars.stop()

    def __call__(self, step: Progress) -> None:
        task = self._tasks.get(step.phase)
        if task is None:
            task = self._tasks[step.phase] = self._bars.add_task(PHASES[step.phase], total=step.total, item="")
        item = printable(step.item)[-self._room :] if self._room >= SHORTEST_ITEM else ""
        self._bars.update(task, completed=step.done, total=step.total, item=item)


class _Lines:
    def __init__(self) -> None:
        self._last: dict[str, tuple[float, int]] = {}

    def __call__(self, step: Progress) -> None:
        now = time.monotonic()
        before, shown = self._last.get(step.phase, (float("-inf"), -1))
        finished = step.total is not None and step.done >= step.total
        if step.done == shown or (now - before < PLAIN_INTERVAL_S and not finished):
            return
        self._last[step.phase] = (now, step.done)
        note(f"{PHASES[step.phase]}: {step.done:,}" + (f" of {step.total:,}" if step.total is not None else ""))


@contextmanager
def waiting(what: str, *, quiet: bool) -> Iterator[None]:
    """Say what is being waited for once it has taken more than half a second; erased afterwards on a terminal."""
    if quiet:
        yield
        return
    done = threading.Event()
    terminal = sys.stderr.isatty()
    shown = threading.Event()

    def speak() -> None:
        if not done.wait(PATIENCE_S):
            shown.set()
            typer.echo(f"{what} …", err=True, nl=not terminal)

    speaker = threading.Thread(target=speak, daemon=True)
    speaker.start()
    try:
        yield
    finally:
        done.set()
        speaker.join()
        if terminal and shown.is_set():
            typer.echo("\r\x1b[K", err=True, nl=False)
