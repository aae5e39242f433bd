"""The collections of vectors of a memory: opened when they are needed, made anew, and closed together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tercet.memory.vectors import IndexSpec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from threading import RLock

    from qdrant_client import QdrantClient

    from tercet.memory.database import Database
    from tercet.memory.vectors import VectorIndex
    from tercet.settings import Durability

INTEGERS = {
    "semantic": ("corpus", "document", "attribute"),
    "episodic": ("scope", "time", "state", "kind", "entity"),
}
"""The collections, each with the integers it is filtered by: a folder below ``vectors/``, or a collection of a server,
where its name begins with ``tercet-``."""


class VectorIndexes:
    """The vector indexes of one memory, each opened with its first use.

    Args:
        database: Where several processes agree on who makes a collection.
        folder: The memory's folder; None: the vectors are on a server.
        qdrant: URL of a server, or a client; None: the embedded engine.
        api_key: For a server that asks for one.
        dimension: Tells the size of dense vectors, which may take an embedder to know; None: there are none.
        durability: What a write to the embedded engine survives.
        opening: Held while an index is opened or made anew.
        claim: Makes this process the one that uses the folder.
    """

    def __init__(
        self,
        database: Database,
        *,
        folder: Path | None,
        qdrant: str | QdrantClient | None,
        api_key: str | None,
        dimension: Callable[[], int | None],
        durability: Durability,
        opening: RLock,
        claim: Callable[[], None],
    ) -> None:
        self._database = database
        self._folder = folder
        self._qdrant = qdrant
        self._api_key = api_key
        self._dimension = dimension
        self._durability = durability
        self._opening = opening
        self._claim = claim
        self._open: dict[str, VectorIndex] = {}

    @property
    def embedded(self) -> bool:
        """Whether the vectors lie in the memory's folder."""
        return self._qdrant is None

    def open(self, name: str) -> VectorIndex:
        """The index of a collection; it is made if there is none.

        Raises:
            MemoryLockedError: Another process holds the folder.
        """
        self._claim()
        with self._opening:
            if name not in self._open:
                self._open[name] = self._opened(name)
            return self._open[name]

    def rebuild(self, name: str) -> VectorIndex:
        """Drop a collection with all its points, and open it anew."""
        with self._opening:
            if name in self._open:
                self._open.pop(name).close()
            if self._qdrant is not None:
                from tercet.memory.server import drop_server

                drop_server(self._qdrant, f"tercet-{name}", api_key=self._api_key)
            else:
                from tercet.memory.edge import drop_edge

                drop_edge(self._path(name))
            return self.open(name)

    def close(self) -> None:
        """Flush and release all that are open."""
        for name in list(self._open):
            self._open.pop(name).close()

    def _opened(self, name: str) -> VectorIndex:
        spec = IndexSpec(dimension=self._dimension(), integers=INTEGERS[name])
        if self._qdrant is not None:
            from tercet.memory.server import open_server

            with self._database.exclusive("collection", wait=True):  # one of several processes makes it
                return open_server(self._qdrant, f"tercet-{name}", spec, api_key=self._api_key)
        from tercet.memory.edge import open_edge

        return open_edge(self._path(name), spec, durability=self._durability)

    def _path(self, name: str) -> Path:
        assert self._folder is not None, "without a folder the vectors are on a server"
        return self._folder / "vectors" / name
