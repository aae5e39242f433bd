"""Take hidden and control characters out of text, and say what was taken.

Text that a person cannot see can still steer a model: zero-width characters, bidirectional overrides, tag characters
(U+E0000), runs of variation selectors and terminal escapes all have been used to smuggle instructions past a reader.
The same characters have honest uses, which stay: joiners inside emoji sequences (Unicode TS 51) and between letters of
scripts that need them (Unicode Standard, chapters 9, 12 and 13), one variation selector after a character that has
variants (Unicode TR 37 for ideographs), and the three recommended flag tag sequences.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from tercet.records import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

_BREAKS = "\x0b\x0c\x85\u2028\u2029"
_CONTROL = "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufff9-\ufffb\ufdd0-\ufdef\ufffe\uffff" + "".join(
    f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0x10000, 0x110000, 0x10000)
)
_ZERO_WIDTH = "\xad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b\u2060-\u2065\u3164\ufeff\uffa0\U0001d173-\U0001d17a"
_JOINERS = "\u200c\u200d"
_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"
_TAGS = "\U000e0000-\U000e007f"
_SELECTORS = "\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"
_SURROGATES = "\ud800-\udfff"

_EMOJI = (
    "\xa9\xae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u27bf\u2900-\u297f\u2b00-\u2bff\u3030\u303d\u3297\u3299"
    "\U0001f000-\U0001f3fa\U0001f400-\U0001faff"
)
_SKIN = "\U0001f3fb-\U0001f3ff"
_JOINING_SCRIPTS = (
    "\u0600-\u061b\u061d-\u07ff\u0840-\u08ff\u0900-\u0dff\u0f00-\u109f\u1780-\u17b3\u17b6-\u17ff\u1807\u1820-\u18af"
    "\u1900-\u1cff\ua8e0-\ua8ff\ua980-\uaaff\ufb50-\ufdcf\ufdf0-\ufdff\ufe70-\ufefc\U00011000-\U000114ff\U0001e900-\U0001e95f"
)
_IDEOGRAPHS = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003fffd"

_FLAGS = "|".join(
    "\U0001f3f4" + "".join(chr(0xE0000 + ord(letter)) for letter in region) + "\U000e007f"
    for region in ("gbeng", "gbsct", "gbwls")
)
_ONE_EMOJI = f"[{_EMOJI}](?:\ufe0f?[{_SKIN}]|[\ufe0e\ufe0f])?"
_PARTS = re.compile(
    rf"(?P<keep>{_FLAGS}|{_ONE_EMOJI}(?:\u200d{_ONE_EMOJI})*|[0-9#*]\ufe0f\u20e3?"
    rf"|[{_IDEOGRAPHS}][\ufe00-\ufe02\U000e0100-\U000e01ef]|[\u2200-\u22ff]\ufe00|[\u1820-\u18aa][\u180b-\u180d\u180f]"
    rf"|[\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff][\u115f\u1160]+|[{_JOINING_SCRIPTS}][{_JOINERS}])"
    r"|(?P<ansi>(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98\x9c-\x9f]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~])"
    rf"|(?P<line_break>[{_BREAKS}])|(?P<control>[{_CONTROL}])|(?P<zero_width>[{_ZERO_WIDTH}{_JOINERS}])"
    rf"|(?P<bidi_control>[{_BIDI}])|(?P<tag_character>[{_TAGS}])|(?P<variation_selector>[{_SELECTORS}])"
    rf"|(?P<surrogate>[{_SURROGATES}])"
)
_ASCII_SUSPECT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_RANGE = re.compile("(.)-(.)|.", re.DOTALL)


def _members(characters: str) -> Iterator[str]:
    """The characters that a class of a regular expression stands for."""
    for part in _RANGE.finditer(characters):
        first, last = part.groups()
        if first:
            yield from map(chr, range(ord(first), ord(last) + 1))
        else:
            yield part.group()


# A set tells clean text from suspect text six times faster than a character class this large does.
_SUSPECTS = frozenset(_members(f"{_BREAKS}{_CONTROL}{_ZERO_WIDTH}{_JOINERS}{_BIDI}{_TAGS}{_SELECTORS}{_SURROGATES}"))
_KINDS = {
    "ansi": "ansi-escape",
    "control": "control",
    "zero_width": "zero-width",
    "bidi_control": "bidi-control",
    "tag_character": "tag-character",
    "variation_selector": "variation-selector",
    "surrogate": "surrogate",
}


def sanitize(text: str) -> tuple[str, tuple[Finding, ...]]:
    """Remove what a reader cannot see; time is linear in the text, and clean text is returned as it is.

    Line ends become ``\\n``. Vertical tab, form feed, U+0085, U+2028 and U+2029 become a space, or nothing beside white
    space, so that lines keep their numbers and words stay apart. Lone surrogates become U+FFFD.

    Args:
        text: Any string.

    Returns:
        The text, and one finding for each kind that was met, with its count: ``ansi-escape`` (sequences), ``control``,
        ``zero-width``, ``bidi-control``, ``tag-character``, ``variation-selector``, ``surrogate`` (characters).

    Example:
        >>> sanitize("pay\\u200b me")[0]
        'pay me'
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if (_ASCII_SUSPECT.search(text) is None) if text.isascii() else _SUSPECTS.isdisjoint(text):
        return text, ()
    counts: Counter[str] = Counter()

    def replace(match: re.Match[str]) -> str:
        kind = match.lastgroup or ""
        if kind == "keep":
            return match.group()
        if kind == "line_break":
            line, (start, end) = match.string, match.span()
            inside_word = start and end < len(line) and not line[start - 1].isspace() and not line[end].isspace()
            return " " if inside_word else ""
        counts[_KINDS[kind]] += 1
        return "\ufffd" if kind == "surrogate" else ""

    # Most lines of a document with an emoji in it have nothing to clean, and the pattern is slow.
    lines = [line if _SUSPECTS.isdisjoint(line) else _PARTS.sub(replace, line) for line in text.split("\n")]
    return "\n".join(lines), tuple(Finding(kind=kind, count=count) for kind, count in sorted(counts.items()))
