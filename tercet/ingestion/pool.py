"""The parent's side of the parser processes: start, feed, time out, replace, stop."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple, Self

from tercet.errors import ConfigurationError, ParseError
from tercet.ingestion import parts
from tercet.ingestion.frames import Frame, FrameError, ParsedFile, read_document, read_frame, read_part, write_frame
from tercet.ingestion.parts import PartStream
from tercet.ingestion.publishing.rules import PageRules
from tercet.memory.stored import FurtherParts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from tercet.settings import ChunkingConfig, LexicalConfig, ParsingConfig, ParsingLimits

_COMMAND = ("-m", "tercet.ingestion.worker")
_MORE_TIME_EVERY_BYTES = 10_000_000
_START_TIMEOUT_S = 60.0
_WINDOW = 256
_WINDOW_CHARACTERS = 32_000_000


class ParseTask(NamedTuple):
    """A file to parse: where it is, what it is called inside its corpus, and how it is published."""

    path: str
    uri: str
    rules: PageRules = PageRules()
    root: str = ""
    """Folder on this machine that included files are taken from; empty: nothing is included."""
    below: str = ""
    """Path of the file below ``root``."""


class Unparsed(NamedTuple):
    """Why a file could not be parsed."""

    reason: str
    content_hash: str = ""
    """Of the content that could not be parsed; empty where it was never read."""


class ParserPool:
    """Parses files in subprocesses; each file that fails, hangs or crashes its parser fails alone.

    Args:
        limits: Processes, seconds and memory a file may take.
        lexical: How words are found.
        chunking: How documents are cut; None: answers carry blocks instead of chunks.
        tokenizer_file: Counts tokens for the chunk size; None: the built-in estimate does.

    Processes start with the first files and end with ``close`` (or with this process, however it ends).
    """

    def __init__(
        self,
        *,
        limits: ParsingLimits,
        parsing: ParsingConfig,
        lexical: LexicalConfig,
        chunking: ChunkingConfig | None,
        tokenizer_file: Path | None,
    ) -> None:
        self._size = limits.workers or min(4, os.cpu_count() or 1)
        self._timeout_s = limits.timeout_s
        self._memory_mb = limits.memory_mb
        self._settings: Frame = {
            "parsing": asdict(parsing),
            "lexical": asdict(lexical),
            "chunking": None if chunking is None else asdict(chunking),
            "tokenizer_file": None if tokenizer_file is None else str(tokenizer_file),
            "memory_mb": limits.memory_mb,
            "part_chunks": parts.PART_CHUNKS,
            "max_bytes": int(limits.max_file_mb * 1e6),
        }
        self._workers: set[_WorkerProcess] = set()
        self._idle: list[_WorkerProcess] = []
        """Those of an earlier run, ready for the next."""
        self._lock = threading.Lock()
        self._closed = False
        self._streams: set[PartStream] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def run(self, tasks: Sequence[ParseTask]) -> Iterator[tuple[int, ParsedFile | Unparsed]]:
        """Parse files; yields the index of each task, in order, with what became of it or the reason why nothing did.

        At most a few hundred files, or about 32 million characters, are parsed ahead of the one that is due.

        Raises:
            ConfigurationError: No parser process can be started at all.
        """
        todo: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        done: queue.SimpleQueue[tuple[int, ParsedFile | Unparsed | BaseException]] = queue.SimpleQueue()
        waiting: dict[int, ParsedFile | Unparsed] = {}
        characters = 0
        sent = due = threads = 0
        try:
            while due < len(tasks):
                while sent < len(tasks) and (sent == due or (sent - due < _WINDOW and characters < _WINDOW_CHARACTERS)):
                    todo.put(sent)
                    sent += 1
                    if threads < min(self._size, sent):
                        threads += 1
                        threading.Thread(target=self._serve, args=(tasks, todo, done), daemon=True).start()
                index, outcome = done.get()
                if isinstance(outcome, BaseException):
                    raise outcome
                waiting[index] = outcome
                characters += _weight(outcome)
                while due in waiting:
                    ready = waiting.pop(due)
                    characters -= _weight(ready)
                    yield due, ready
                    self._forget_parts(ready)
                    due += 1
        finally:
            if due < len(tasks):
                self.close()
            for _ in range(threads):
                todo.put(None)

    def _serve(
        self,
        tasks: Sequence[ParseTask],
        todo: queue.SimpleQueue[int | None],
        done: queue.SimpleQueue[tuple[int, ParsedFile | Unparsed | BaseException]],
    ) -> None:
        """One thread, one process at a time: take a task, hand it over, wait for the answer."""
        worker: _WorkerProcess | None = None
        while (index := todo.get()) is not None:
            try:
                if worker is None:
                    worker = self._start()
                outcome = worker.parse(tasks[index], timeout_s=self._time_for(tasks[index]))
                if outcome is None:  # it was gone before it saw the file
                    self._discard(worker)
                    worker = self._start()
                    outcome = worker.parse(tasks[index], timeout_s=self._time_for(tasks[index]))
                if isinstance(outcome, ParsedFile) and (stream := worker.unread) is not None:
                    with self._lock:
                        self._streams.add(stream)
                        if self._closed:
                            stream.close()
                    done.put((index, outcome))
                    if not worker.read_parts(stream):
                        self._discard(worker)
                        worker = None
                    continue
                if outcome is None or not worker.alive:
                    outcome = outcome or Unparsed(f"ended its parser process: {worker.epitaph()}")
                    self._discard(worker)
                    worker = None
                done.put((index, outcome))
            except BaseException as error:  # raised again by run() in the caller's thread
                done.put((index, error))
                return
        if worker is not None:
            self._park(worker)

    def _forget_parts(self, outcome: ParsedFile | Unparsed) -> None:
        """Whoever was given a document has taken its parts by now, or will not."""
        stream = None if isinstance(outcome, Unparsed) or outcome.further is None else outcome.further.source
        if isinstance(stream, PartStream):
            stream.close()
            with self._lock:
                self._streams.discard(stream)

    def _start(self) -> _WorkerProcess:
        with self._lock:
            if self._closed:
                raise ConfigurationError("This parser pool is closed.", remedy="Make a new one.")
            if self._idle:
                return self._idle.pop()
            worker = _WorkerProcess(self._memory_mb)
            self._workers.add(worker)
        worker.greet(self._settings)
        return worker

    def _park(self, worker: _WorkerProcess) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(worker)
                return
        self._discard(worker)

    def _time_for(self, task: ParseTask) -> float:
        """Seconds that a file may take; large ones may take longer."""
        try:
            size = Path(task.path).stat().st_size
        except OSError:  # reading it will say why
            size = 0
        return self._timeout_s * (1 + size / _MORE_TIME_EVERY_BYTES)

    def _discard(self, worker: _WorkerProcess) -> None:
        worker.stop()
        with self._lock:
            self._workers.discard(worker)

    def close(self) -> None:
        """End all parser processes, busy or not."""
        with self._lock:
            self._closed = True
            workers = list(self._workers)
            self._workers.clear()
            streams = list(self._streams)
            self._streams.clear()
        for stream in streams:
            stream.close()
        for worker in workers:
            worker.stop()


class _WorkerProcess:
    """One parser process and its pipes."""

    def __init__(self, memory_mb: int) -> None:
        if not sys.executable:
            raise ConfigurationError(
                "Parsers run in processes of their own, and this Python does not say where its executable is.",
                remedy="Set sys.executable, or pass texts with ingest(documents=…).",
            )
        package_parent = str(Path(__file__).parents[2])
        known = os.environ.get("PYTHONPATH", "")
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(part for part in (package_parent, known) if part),
            "PYTHONSAFEPATH": "1",  # the working folder may be the corpus: nothing is imported from there
            "OPENBLAS_NUM_THREADS": "1",  # each thread of a pool would take address space that the file needs
            "OMP_NUM_THREADS": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "MALLOC_ARENA_MAX": "2",
        }
        self._memory_mb = memory_mb
        self._timed_out = False
        self._timeout_s = self._left_s = 0.0
        """What the present file may take, and what is left of it; time in which nobody waits does not count."""
        self._position = 0
        self.unread: PartStream | None = None
        """Where the parts go that follow what ``parse`` returned; None: none follow."""
        self._complaints: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed by stop()
        try:
            self._process = subprocess.Popen(  # noqa: S603  # our own module, no shell
                [sys.executable, *_COMMAND],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                env=environment,
            )
        except OSError as error:
            self._complaints.close()
            raise ConfigurationError(
                f"No parser process can be started: {error}.", remedy="Check that this Python can run subprocesses."
            ) from error

    def greet(self, settings: Frame) -> None:
        """Configure the process and wait until it is ready.

        Raises:
            ConfigurationError: It does not come up.
        """
        answer = self._exchange(settings, timeout_s=_START_TIMEOUT_S)
        if answer is None or "ready" not in answer:
            reason = answer["error"] if answer and "error" in answer else self.epitaph()
            self.stop()
            raise ConfigurationError(
                f"A parser process did not start: {reason}.",
                remedy=f"Run '{sys.executable} -m tercet.ingestion.worker' to see why; "
                f"a memory limit below 512 MB (now {self._memory_mb}) leaves no room for Python itself.",
            )

    def parse(self, task: ParseTask, *, timeout_s: float) -> ParsedFile | Unparsed | None:
        """Have one file parsed: the result, or why there is none; None: the process had ended before that."""
        if self._process.poll() is not None:
            return None
        request = {
            "path": task.path,
            "name": Path(task.path).name,
            "uri": task.uri,
            "rules": task.rules.to_frame(),
            "root": task.root,
            "below": task.below,
            "timeout_s": timeout_s,
        }
        self.unread = None
        self._timeout_s = self._left_s = timeout_s
        answer = self._exchange(request, timeout_s=timeout_s)
        if (failure := self._failure(answer)) is not None or answer is None:
            return failure
        try:
            parsed = read_document(answer)
        except FrameError as error:
            self.stop()
            return Unparsed(f"made its parser process answer with {error}")
        if not answer.get("more"):
            return parsed
        self._position = len(parsed.document.text)
        self.unread = PartStream()
        return replace(parsed, further=FurtherParts(self.unread))

    def read_parts(self, stream: PartStream) -> bool:
        """Read the rest of the document that ``parse`` began; False: the process can take no other file."""
        more = True
        while more:
            answer = self._exchange(None, timeout_s=self._left_s)
            failure = self._failure(answer)
            if failure is not None or answer is None:
                stream.put(ParseError("its parser process failed" if failure is None else failure.reason))
                return self.alive
            try:
                part = read_part(answer, self._position)
            except FrameError as error:
                stream.put(ParseError(f"made its parser process answer with {error}"))
                return False
            self._position += len(part.text)
            more = bool(answer.get("more"))
            if not stream.put(part):
                return False
        return stream.put(None) or self.alive

    def _failure(self, answer: Frame | None) -> Unparsed | None:
        if self._timed_out:
            return Unparsed(f"took longer than {self._timeout_s:g} s to parse")
        if answer is None:
            return Unparsed(f"ended its parser process: {self.epitaph()}")
        if "error" in answer:
            return Unparsed(str(answer["error"]), str(answer.get("content_hash", "")))
        return None

    def _exchange(self, frame: Frame | None, *, timeout_s: float) -> Frame | None:
        """Send (unless None) and receive; None: the process ended, or was ended because it took too long."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        timer = threading.Timer(timeout_s, self._time_out)
        timer.daemon = True
        timer.start()
        started = time.monotonic()
        try:
            if frame is not None:
                write_frame(self._process.stdin, frame)
            answer = read_frame(self._process.stdout)
        except ParseError as error:
            return {"error": str(error)}
        except (OSError, FrameError, ValueError):  # ValueError: stop() closed the pipes under us
            self._process.kill()
            answer = None
        finally:
            timer.cancel()
            self._left_s = max(0.001, timeout_s - (time.monotonic() - started))
        if answer is None or answer.get("exhausted"):
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=10)
        return None if self._timed_out else answer

    def _time_out(self) -> None:
        self._timed_out = True
        self._process.kill()

    @property
    def alive(self) -> bool:
        """Whether it can take another file."""
        return self._process.poll() is None and not self._timed_out

    def epitaph(self) -> str:
        """How the process ended, for people."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=10)
        code = self._process.returncode
        if code is None:
            return "it does not answer"
        if code < 0:
            name = signal.Signals(-code).name if -code in {member.value for member in signal.Signals} else str(-code)
            hint = ", perhaps for lack of memory" if name == "SIGKILL" else ""
            return f"ended by signal {name}{hint}"
        with suppress(ValueError, OSError):
            end = self._complaints.seek(0, os.SEEK_END)
            self._complaints.seek(max(0, end - 2000))
            lines = self._complaints.read().decode(errors="replace").strip().splitlines()
            if lines:
                return f"exit code {code}: {lines[-1][:300]}"
        return f"exit code {code}"

    def stop(self) -> None:
        """End the process and free what it held; a second call does nothing."""
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=10)
        for stream in (self._process.stdin, self._process.stdout, self._complaints):
            if stream is not None:
                with suppress(OSError, ValueError):
                    stream.close()


def _weight(outcome: ParsedFile | Unparsed) -> int:
    return 0 if isinstance(outcome, Unparsed) else len(outcome.document.text)
