"""The options that several commands share, and how their text becomes filters."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tercet.errors import InputError
from tercet.records import DocumentFilter, Scalar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tercet.memory.memory import Memory
    from tercet.settings import ChunkingConfig, LexicalConfig

DEFAULT_MEMORY = Path(".tercet")

MemoryFolder = Annotated[
    Path, typer.Option("--memory", metavar="DIR", envvar="TERCET_MEMORY", help="Folder of the memory.")
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database", metavar="URL", envvar="TERCET_DATABASE", help="PostgreSQL instead of the folder's SQLite."
    ),
]
QdrantUrl = Annotated[
    str | None,
    typer.Option(
        "--qdrant", metavar="URL", envvar="TERCET_QDRANT", help="Qdrant server instead of the embedded engine."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document, and nothing else, on standard output.")]
EmbedderSpec = Annotated[
    str | None,
    typer.Option(
        "--embedder",
        metavar="SPEC",
        envvar="TERCET_EMBEDDER",
        help='Embedding model: a name, a folder, or "none" for words only. Default: the memory\'s own.',
    ),
]
Corpora = Annotated[list[str] | None, typer.Option("--corpus", metavar="NAME", help="Only this corpus (repeatable).")]
Version = Annotated[str | None, typer.Option("--version", metavar="V", help="Only documents ingested as this version.")]
Tenant = Annotated[
    str | None, typer.Option("--tenant", metavar="T", help="Include this tenant's documents; else only shared ones.")
]
ScopeTenant = Annotated[str | None, typer.Option("--tenant", metavar="T", help="On behalf of this tenant.")]
User = Annotated[str | None, typer.Option("--user", metavar="U", help="On behalf of this user.")]
AgentName = Annotated[str | None, typer.Option("--agent", metavar="A", help="On behalf of this agent.")]
Session = Annotated[str | None, typer.Option("--session", metavar="S", help="On behalf of this session.")]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where", metavar="KEY=VALUE", help="Metadata that must be equal; the same key twice means either value."
    ),
]
Ranges = Annotated[
    list[str] | None,
    typer.Option("--range", metavar="KEY=LOW..HIGH", help="Metadata number within bounds; either may be left out."),
]
Paths = Annotated[
    list[str] | None,
    typer.Option("--path", metavar="GLOB", help='Documents whose uri matches, such as "docs/**/*.md" (repeatable).'),
]
AsOf = Annotated[str | None, typer.Option("--as-of", metavar="DATE", help="Only documents in effect on this day.")]


def document_filter(
    *,
    corpus: Sequence[str] | None = None,
    version: str | None = None,
    tenant: str | None = None,
    where: Sequence[str] | None = None,
    ranges: Sequence[str] | None = None,
    paths: Sequence[str] | None = None,
    as_of: str | None = None,
) -> DocumentFilter:
    """Turn the words of the filter options into a filter.

    Raises:
        InputError: An option's text does not have the form its help gives.
    """
    return DocumentFilter(
        corpus=tuple(corpus or ()),
        version=version,
        tenant=tenant,
        equals=_equals(where or ()),
        ranges=dict(_range(text) for text in ranges or ()),
        paths=tuple(paths or ()),
        as_of=_day(as_of) if as_of else None,
    )


def _equals(texts: Sequence[str]) -> Mapping[str, Sequence[Scalar]]:
    found: dict[str, list[Scalar]] = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not key or not separator:
            raise InputError(f"--where {text!r} is not of the form KEY=VALUE.", remedy="Such as --where team=support.")
        values = found.setdefault(key.strip(), [])
        # On a command line 2024 may mean the number or the text, and metadata may hold either.
        values.append(value)
        number = _number(value)
        if number is not None:
            values.append(number)
        if value in {"true", "false"}:
            values.append(value == "true")
    return found


def _range(text: str) -> tuple[str, tuple[float | None, float | None]]:
    key, separator, bounds = text.partition("=")
    low, dots, high = bounds.partition("..")
    ends = [_number(end) if end else None for end in (low, high)]
    malformed = any(end and number is None for end, number in zip((low, high), ends, strict=True))
    if not key or not separator or not dots or malformed or (not low and not high):
        raise InputError(
            f"--range {text!r} is not of the form KEY=LOW..HIGH with numbers.",
            remedy="Such as --range year=2020..2024, year=2020.. or year=..2024.",
        )
    return key.strip(), (ends[0], ends[1])


def _number(text: str) -> int | float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return int(text) if text.strip().lstrip("+-").isdecimal() else number


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(f"--as-of {text!r} is not a date.", remedy="Write it as YYYY-MM-DD.") from None


def open_memory(
    path: Path,
    *,
    database: str | None = None,
    qdrant: str | None = None,
    embedder: str | None = None,
    chunking: ChunkingConfig | None = None,
    lexical: LexicalConfig | None = None,
    durability: str = "process",
    create: bool = False,
    read_only: bool = False,
) -> Memory:
    """Open the memory that a command's options name."""
    from tercet.memory.memory import Memory

    return Memory.open(
        None if database else path,
        database=database,
        qdrant=qdrant,
        embedder=embedder,
        chunking=chunking,
        lexical=lexical,
        durability="power" if durability == "power" else "process",
        create=create,
        read_only=read_only,
    )
