"""The parser process: ``python -m tercet.ingestion.worker`` turns files into chunks, one request at a time.

It runs apart from the process that holds the memory, so that a file which hangs, crashes or exhausts memory takes down
only itself. It opens no database, no vector index and no embedder, and ends when its parent does.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

from tercet.errors import ParseError, TercetError
from tercet.ingestion.chunking import StructuralChunker
from tercet.ingestion.frames import Frame, document_frame, part_frame, read_frame, write_frame
from tercet.ingestion.parsers import parse
from tercet.ingestion.parts import PART_CHUNKS, parts_of
from tercet.ingestion.publishing.applying import published
from tercet.ingestion.publishing.includes import Includer
from tercet.ingestion.publishing.rules import rules_from_frame
from tercet.ingestion.reading import hash_content, read_file
from tercet.memory.stored import IndexedChunk
from tercet.models.lexical import Analyzer
from tercet.models.tokens import token_counter
from tercet.settings import ChunkingConfig, LexicalConfig, ParsingConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tercet.ingestion.publishing.rules import PageRules, Syntax

if sys.platform != "win32":
    import resource

_ALARM_GRACE_S = 10.0


def main() -> int:
    """Serve requests from stdin until it closes; returns the exit code."""
    requests, answers = _take_over_streams()
    settings = read_frame(requests)
    if settings is None:
        return 0
    _limit_resources(settings["memory_mb"])
    worker = _Worker(settings)
    write_frame(answers, {"ready": os.getpid()})
    while (request := read_frame(requests)) is not None:
        exhausted = False
        _alarm(request["timeout_s"] + _ALARM_GRACE_S)
        for answer in worker.answers(request):
            exhausted = bool(answer.get("exhausted"))
            _alarm(0)  # the parent takes a part when it has stored the ones before, and counts the time
            try:
                write_frame(answers, answer)
            except ParseError as error:
                write_frame(answers, {"error": str(error), "content_hash": answer.get("content_hash", "")})
                break
            _alarm(request["timeout_s"] + _ALARM_GRACE_S)
        _alarm(0)
        if exhausted:
            return 0  # what is left of the memory is in pieces; the parent starts a fresh process
    return 0


class _Worker:
    """Parses, cuts and analyses with one configuration."""

    def __init__(self, settings: Frame) -> None:
        self._max_bytes: int = settings["max_bytes"]
        self._part_chunks: int = settings.get("part_chunks", PART_CHUNKS)
        self._parsing = ParsingConfig(**settings["parsing"])
        self._analyzer = Analyzer(LexicalConfig(**settings["lexical"]))
        self._chunker: StructuralChunker | None = None
        if settings["chunking"] is not None:
            tokenizer = settings["tokenizer_file"]
            counter = token_counter(Path(tokenizer) if tokenizer else None)
            self._chunker = StructuralChunker(ChunkingConfig(**settings["chunking"]), counter)

    def answers(self, request: Frame) -> Iterator[Frame]:
        """Answer one request, in parts where the file is large; whatever goes wrong with it becomes its reason."""
        content_hash = ""
        try:
            data = read_file(request["path"], max_bytes=self._max_bytes)
            content_hash = hash_content(data)
            yield from self._document(data, content_hash, request)
            return
        except TercetError as error:
            if isinstance(error.__cause__, MemoryError):
                yield _exhausted(content_hash)
                return
            reason = str(error).removeprefix(f"{request['name']}: ")
        except RecursionError:
            reason = "is nested too deeply to be parsed"
        except MemoryError:
            yield _exhausted(content_hash)
            return
        except Exception as error:  # a parser's bug must stay with the file that set it off
            reason = f"could not be parsed: {type(error).__name__}: {error}"[:500]
        yield {"error": reason, "content_hash": content_hash}

    def _document(self, data: bytes, content_hash: str, request: Frame) -> Iterator[Frame]:
        rules = rules_from_frame(request["rules"])
        includer = self._includer(rules, request)
        document = parse(data, name=request["name"], config=self._parsing, slugs=rules.slugs, includer=includer)
        document, url = published(document, rules)
        page = {"url": url, "included": [] if includer is None else list(includer.included.values())}
        if self._chunker is None:
            yield document_frame(content_hash, document, None) | page
            return
        chunks = (
            IndexedChunk(chunk=chunk, terms=self._analyzer.count(chunk.embedded_text))
            for chunk in self._chunker.chunks(document, uri=request["uri"])
        )
        parts = parts_of(document.text, chunks, size=self._part_chunks)
        part, more = next(parts)
        yield document_frame(content_hash, document, part, more=more) | page
        for part, more in parts:
            yield part_frame(part, more=more)

    def _includer(self, rules: PageRules, request: Frame) -> Includer | None:
        syntaxes: tuple[Syntax, ...] = ("rst",) if request["name"].lower().endswith(".rst") else rules.syntaxes
        if not request["root"] or not syntaxes:
            return None
        return Includer(
            request["root"],
            request["below"],
            syntaxes=syntaxes,
            bases=rules.bases,
            site=rules.site,
            max_bytes=self._max_bytes,
        )


def _exhausted(content_hash: str) -> Frame:
    reason = "needs more memory than a parser process may take"
    return {"error": reason, "content_hash": content_hash, "exhausted": True}


def _take_over_streams() -> tuple[IO[bytes], IO[bytes]]:
    """Keep the frame streams to ourselves: what a library prints goes to stderr, and it reads nothing from stdin."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, answers


def _limit_resources(memory_mb: int) -> None:
    if sys.platform == "win32":
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what ends
    limits = [(resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 16 << 20), (resource.RLIMIT_AS, memory_mb << 20)]
    for kind, value in limits:
        hard = resource.getrlimit(kind)[1]
        wanted = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(kind, (wanted, wanted))
        except (ValueError, OSError):  # macOS refuses some; the time limit still holds
            continue


def _alarm(seconds: float) -> None:
    """Let the kernel end this process should the parent be gone while a parser hangs in C code; 0: call it off."""
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_REAL, seconds)


if __name__ == "__main__":
    sys.exit(main())
