"""The embedder of a memory: the one it was made with, unless it is given another."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from tercet.errors import EmbedderMismatchError

if TYPE_CHECKING:
    from pathlib import Path

    from tercet.memory.database import Database
    from tercet.models.embedding import Embedder

DEFAULT_EMBEDDER = "all-MiniLM-L6-v2"
LEXICAL_ONLY = "none"
"""Names no embedder: the memory is searched by words, and every result says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderRecord:
    """What a memory remembers of the model its vectors were made with."""

    spec: str
    fingerprint: str | None
    dimension: int | None
    max_tokens: int | None


class ChosenEmbedder:
    """The embedder that a memory was opened with, or made with, and what the memory remembers of it.

    Args:
        database: Remembers it.
        given: An embedder, its name, or None for the one the memory was made with.
        folder: The memory's, for messages.
    """

    def __init__(self, database: Database, given: Embedder | str | None, folder: Path | None) -> None:
        self._database = database
        self._given = given
        self._folder = folder
        self._resolved: Embedder | None = None

    def resolve(self) -> Embedder | None:
        """The embedder itself; None: the memory is searched by words only.

        Raises:
            EmbedderUnavailableError: No weights could be resolved.
            EmbedderMismatchError: The weights that were resolved are not those the memory's vectors were made with.
        """
        if self._resolved is None:
            chosen = self._given if self._given is not None else self.record().spec
            embedder = resolved(chosen)
            if embedder is None:
                return None
            stored = self._stored()
            if stored is not None and stored.fingerprint not in (None, embedder.fingerprint):
                raise self._mismatch(stored, embedder.spec)
            self._resolved = embedder
        return self._resolved

    def record(self) -> EmbedderRecord:
        """Name, fingerprint and sizes, without resolving the embedder when the memory already knows them."""
        stored = self._stored()
        if stored is not None:
            return stored
        if self._given is not None and not isinstance(self._given, str):
            return _described(self._given)
        self._resolved = self._resolved or resolved(self._given or DEFAULT_EMBEDDER)
        return _described(self._resolved)

    def remember(self) -> None:
        """Note it in a memory that remembers none yet."""
        if self._stored() is None:
            self._database.set_meta("embedder", asdict(self.record()))

    def refuse_other(self) -> None:
        """Check what was given against what the memory remembers, as far as that needs no weights.

        Raises:
            EmbedderMismatchError: They differ.
        """
        stored = self._stored()
        if stored is None or self._given is None:
            return
        given = self._given if isinstance(self._given, str) else self._given.spec
        other = given != stored.spec
        if not isinstance(self._given, str) and stored.fingerprint is not None:
            other = self._given.fingerprint != stored.fingerprint
        if other:
            raise self._mismatch(stored, given)

    def change(self, embedder: Embedder | None) -> bool:
        """Take another one (None: search by words only) and drop the vectors; False: the memory has it already."""
        from sqlalchemy import delete, update  # few processes change it

        from tercet.memory.schema import chunks, embeddings, episodes

        record = _described(embedder)
        if record == self._stored():
            return False
        with self._database.write() as connection:
            self._database.set_meta("embedder", asdict(record), connection)
            self._database.set_meta("reindexing", "1", connection)
            connection.execute(delete(embeddings).where(embeddings.c.fingerprint != (record.fingerprint or "")))
            connection.execute(update(chunks).values(embedded=False))
            connection.execute(update(episodes).values(embedded=False))
        self._given = embedder or LEXICAL_ONLY
        self._resolved = embedder
        return True

    def _stored(self) -> EmbedderRecord | None:
        value = self._database.get_meta("embedder")
        return None if value is None else EmbedderRecord(**value)

    def _mismatch(self, stored: EmbedderRecord, other: str) -> EmbedderMismatchError:
        place = f" --memory {self._folder}" if self._folder else ""
        return EmbedderMismatchError(
            f"The vectors of this memory were made with {stored.spec!r} (fingerprint {stored.fingerprint}), "
            f"not with {other!r} as it resolves here.",
            remedy=f"Open it without naming an embedder, or change it for good: tercet embed{place} --embedder {other}",
        )


def resolved(embedder: Embedder | str) -> Embedder | None:
    """The embedder that is meant by its name; None: none is.

    Raises:
        EmbedderUnavailableError: No weights could be resolved.
    """
    if not isinstance(embedder, str):
        return embedder
    if embedder == LEXICAL_ONLY:
        return None
    from tercet.models.embedding import resolve_embedder

    return resolve_embedder(embedder)


def _described(embedder: Embedder | None) -> EmbedderRecord:
    if embedder is None:
        return EmbedderRecord(spec=LEXICAL_ONLY, fingerprint=None, dimension=None, max_tokens=None)
    return EmbedderRecord(
        spec=embedder.spec,
        fingerprint=embedder.fingerprint,
        dimension=embedder.dimension,
        max_tokens=embedder.max_tokens,
    )
