"""txtai with faiss's flat index instead of its default, an inverted file: it compares every vector, as Tercet does."""

from __future__ import annotations

from functools import partial

from systems.txtai import PACKAGES, index, ingest, load_with, reads, watch

__all__ = ["PACKAGES", "index", "ingest", "load", "reads", "watch"]

load = partial(load_with, faiss={"components": "IDMap,Flat"})
