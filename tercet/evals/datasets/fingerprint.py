"""One hash for a data set: equal for equal documents, questions and judgements, in whatever order they are kept."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def fingerprint(*, documents: Iterable[object], questions: Iterable[object], judgements: Iterable[object]) -> str:
    """Hash items that have a JSON form; which of the three an item is counts, its position does not.

    Returns:
        64 hex digits.

    Example:
        >>> one = fingerprint(documents=["a", "b"], questions=[], judgements=[])
        >>> one == fingerprint(documents=["b", "a"], questions=[], judgements=[])
        True
        >>> one == fingerprint(documents=["a"], questions=["b"], judgements=[])
        False
    """
    whole = sha256()
    for items in (documents, questions, judgements):
        digests = sorted(map(_digest, items))
        whole.update(len(digests).to_bytes(8, "big"))
        for digest in digests:
            whole.update(digest)
    return whole.hexdigest()


def _digest(item: object) -> bytes:
    return sha256(json.dumps(item, ensure_ascii=True, sort_keys=True).encode("ascii")).digest()
