"""The memory that an eval searches: made of the data set's documents, of a folder, or the user's own."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tercet.errors import ConfigurationError, InputError
from tercet.ingestion.pipeline import ingest
from tercet.memory.chosen_embedder import LEXICAL_ONLY
from tercet.memory.memory import Memory
from tercet.memory.places import chunk_places
from tercet.settings import ChunkingConfig, LexicalConfig, fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tercet.evals.configuration import EvalConfiguration
    from tercet.models.embedding import Embedder
    from tercet.records import Document, Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Where the documents come from that are searched."""

    documents: tuple[Document, ...] = ()
    source: Path | None = None
    """A file or folder to ingest instead."""
    memory: Path | None = None
    """A memory that is searched as it stands."""

    def __post_init__(self) -> None:
        given = [name for name in ("documents", "source", "memory") if getattr(self, name)]
        if len(given) > 1:
            raise ConfigurationError(
                f"there are two corpora: {' and '.join(given)}.",
                remedy="A data set that brings its documents needs neither --documents nor --memory.",
            )
        if not given:
            raise ConfigurationError(
                "the data set brings no documents.",
                remedy="Say what is searched: --documents FOLDER, or --memory DIR for a memory of yours.",
            )

    def facts(self) -> dict[str, Any]:
        """What the corpus is, as far as the data set does not say it; equal facts, equal documents."""
        if self.source is not None:
            return {"source": str(self.source), "fingerprint": _hash_files(self.source)}
        if self.memory is not None:
            return {"memory": str(self.memory), "fingerprint": _hash_memory(self.memory)}
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What was made of a corpus."""

    documents: int
    chunks: int
    tokens: int
    """Of all chunks, as they are embedded."""
    failed: tuple[str, ...] = ()
    """Documents that could not be stored, with the reason."""


def ingest_key(configuration: EvalConfiguration) -> str:
    """Hash of the settings that a memory is made with: configurations of one key can share one."""
    return fingerprint(configuration.embedder, configuration.chunker, configuration.chunking, configuration.lexical)


@contextmanager
def opened(
    corpus: Corpus,
    configuration: EvalConfiguration,
    *,
    embedder: Embedder | None,
    keep: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Iterator[tuple[Memory, Stored]]:
    """The memory of a corpus, for as long as the block runs.

    Args:
        corpus: What is searched.
        configuration: Cutting and lexical settings.
        embedder: None: words only.
        keep: Folder for the memory; None: a temporary one, removed at the end.
        progress: Called while documents are ingested.

    Raises:
        InputError: Nothing of the corpus could be stored.
        ConfigurationError: The user's own memory was made with other settings than those to be measured.
    """
    if corpus.memory is not None:
        with Memory.open(corpus.memory, embedder=embedder, create=False) as memory:
            _refuse_other_settings(memory, configuration)
            yield memory, _stored(memory)
        return
    with (
        folder_for_memory(keep) as folder,
        Memory.open(
            folder,
            embedder=LEXICAL_ONLY if embedder is None else embedder,
            chunking=configuration.chunking,
            lexical=configuration.lexical,
        ) as memory,
    ):
        report = ingest(
            corpus.source,
            documents=None if corpus.source else corpus.documents,
            into=memory,
            chunker="structural" if configuration.chunker == "structural" else None,
            progress=progress,
        )
        stored = _stored(memory)
        if not stored.documents:
            reason = report.failed[0].reason if report.failed else "there are none"
            raise InputError(f"no document of the corpus could be stored: {reason}.")
        yield memory, replace(stored, failed=tuple(f"{one.path}: {one.reason}" for one in report.failed))


@contextmanager
def folder_for_memory(keep: Path | None) -> Iterator[Path]:
    """A folder to keep a memory in, or a temporary one."""
    if keep is not None:
        keep.parent.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="tercet-eval-") as folder:
        yield Path(folder) / "memory"


def _stored(memory: Memory) -> Stored:
    documents: set[str] = set()
    count = tokens = 0
    for place in chunk_places(memory.database):
        documents.add(place.uri)
        count += 1
        tokens += place.tokens
    return Stored(documents=len(documents), chunks=count, tokens=tokens)


def _refuse_other_settings(memory: Memory, configuration: EvalConfiguration) -> None:
    kept = {"chunking": memory.chunking, "lexical": memory.lexical}
    default = {"chunking": ChunkingConfig(), "lexical": LexicalConfig()}
    other = [name for name in kept if getattr(configuration, name) not in (kept[name], default[name])]
    if configuration.chunker != "structural":
        other.append("chunker")
    if other:
        raise ConfigurationError(
            f"the memory {memory.path} was made with its own {' and '.join(other)}; that cannot be varied.",
            remedy="Leave these settings out, or name the documents themselves: --documents FOLDER.",
        )


def _hash_memory(path: Path) -> str:
    """Over the names, contents and settings of all documents that are searched."""
    whole = sha256()
    with Memory.open(path, create=False, read_only=True) as memory:
        for one in memory.semantic.documents():
            whole.update(sha256(f"{one.corpus}/{one.version}/{one.uri}".encode("utf-8", "surrogatepass")).digest())
            whole.update(f"{one.content_hash} {one.config_hash}\n".encode())
    return whole.hexdigest()


def _hash_files(source: Path) -> str:
    """Over the names and bytes of all files; empty where there is nothing."""
    whole = sha256()
    files: Sequence[Path] = [source] if source.is_file() else sorted(one for one in source.rglob("*") if one.is_file())
    for file in files:
        whole.update(sha256(str(file.relative_to(source)).encode("utf-8", "surrogatepass")).digest())
        with file.open("rb") as stream:
            for block in iter(lambda: stream.read(1 << 20), b""):
                whole.update(block)
        whole.update(b"\0end")
    return whole.hexdigest()
