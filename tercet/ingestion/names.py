"""Names of files and documents: what they may hold, and how they are shown."""

from __future__ import annotations

import re

UNFIT_NAME = "has a name with control characters or bytes that are no UTF-8; rename it"
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def printable(path: str) -> str:
    """A path as text that can be stored and shown: control characters and bytes that are no UTF-8 are escaped.

    Example:
        >>> printable("guide\\n.md")
        'guide\\\\x0a.md'
    """
    return _UNFIT.sub(lambda found: f"\\x{ord(found[0]) & 0xFF:02x}", path)
