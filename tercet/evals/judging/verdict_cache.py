"""Verdicts kept between runs, so that none is paid for twice and a run that was cut off goes on where it stopped."""

from __future__ import annotations

import threading
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from tercet.errors import VerdictCacheError
from tercet.evals.cache_files import CacheForm, user_cache_folder
from tercet.evals.judging.verdicts import Verdict
from tercet.models.chat_records import ChatRequest

if TYPE_CHECKING:
    from types import TracebackType

    from tercet.evals.judging.rubrics import Rubric

FORM = CacheForm(
    name="verdict cache",
    application_id=0x74726A76,
    version=1,
    table="CREATE TABLE IF NOT EXISTS verdicts (key BLOB PRIMARY KEY, verdict BLOB NOT NULL) WITHOUT ROWID",
    error=VerdictCacheError,
    option="--verdict-cache",
    loss="its verdicts are asked and paid for again",
)
_REQUESTS = TypeAdapter(ChatRequest)
_VERDICTS = TypeAdapter(Verdict)


def default_verdict_file() -> Path:
    """Where verdicts are kept when nothing else is said: the user's cache folder.

    Example:
        >>> default_verdict_file().name
        'verdicts.sqlite3'
    """
    return user_cache_folder() / "verdicts.sqlite3"


def verdict_key(model: str, rubric: Rubric, request: ChatRequest, repeat: int) -> bytes:
    """Hash of all that a verdict depends on: the model, the rubric, every byte of the request, and which repeat it is.

    The repeat is part of it, as repeats that were the same cached answer would agree with themselves.
    """
    whole = blake2b(digest_size=16)
    for part in (model.encode("utf-8", "surrogatepass"), rubric.hash.encode(), str(repeat).encode()):
        whole.update(len(part).to_bytes(8, "big") + part)
    whole.update(_REQUESTS.dump_json(request))
    return whole.digest()


class VerdictCache:
    """A file of verdicts. It holds grades, the judge's reasons and what they cost; texts only as hashes.

    Each verdict is on disk before the next request. Processes may share the file. Safe to share between threads.

    Args:
        path: The file; made with its folder when it is not there.

    Raises:
        VerdictCacheError: The file is damaged, is something else, or cannot be opened.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        with FORM.named_errors(self.path):
            self._connection = FORM.open(self.path)

    def read(self, key: bytes, rubric: Rubric) -> Verdict | None:
        """The verdict of a key; None where there is none.

        Raises:
            VerdictCacheError: What is kept is no verdict under this rubric.
        """
        with self._lock, FORM.named_errors(self.path):
            row = self._connection.execute("SELECT verdict FROM verdicts WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        try:
            verdict = _VERDICTS.validate_json(row[0])
        except ValidationError:
            raise FORM.damaged(self.path, "a row holds no verdict") from None
        if verdict.grade is None or not 0 <= verdict.grade <= rubric.top:
            raise FORM.damaged(self.path, f"a grade is not on the scale from 0 to {rubric.top}")
        return verdict

    def write(self, key: bytes, verdict: Verdict) -> None:
        """Keep a verdict; one that is there already stays.

        Raises:
            VerdictCacheError: The file cannot be written.
        """
        row = (key, _VERDICTS.dump_json(verdict))
        with self._lock, FORM.named_errors(self.path), self._connection:
            self._connection.execute("INSERT OR IGNORE INTO verdicts (key, verdict) VALUES (?, ?)", row)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> VerdictCache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
