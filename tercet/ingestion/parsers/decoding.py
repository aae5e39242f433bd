"""Bytes to text: byte order marks, UTF-8, what the file declares, and only then a guess, which is reported."""

from __future__ import annotations

import codecs
import re

from tercet.errors import ParseError
from tercet.records import Finding

# The UTF-32 marks begin with the UTF-16 ones, so they are tried first.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARATIONS = {
    "html": re.compile(rb"""<meta\s[^>]{0,200}?charset\s*=\s*["']?\s*([\w.:-]{1,40})""", re.IGNORECASE),
    "python": re.compile(rb"^[^\n]*(?:\n[^\n]*)?#.*?coding[:=][ \t]*([\w.-]{1,40})"),
}
# Codecs such as punycode or unicode_escape are not character sets; a file has no business asking for them.
_CHARACTER_SETS = re.compile(
    r"^(utf|windows-|cp|ibm|iso|latin|l\d|shift|sjis|ms_?kanji|euc|gb|hz|big5|koi8|mac|tis|johab|us-ascii|ascii|x-sjis)",
    re.IGNORECASE,
)
_UTF16_PAIRS = 8
"""Characters of UTF-16 without a mark that are needed to believe in it."""


def decode(data: bytes, *, kind: str, name: str) -> tuple[str, tuple[Finding, ...]]:
    """Decode a file, with line ends normalised to ``\\n``.

    Tried in order: a byte order mark, UTF-8, the charset that HTML or Python source declares (HTML Standard 13.2.3;
    PEP 263), and a guess by charset-normalizer.

    Args:
        data: The file's content.
        kind: The parser's name, which says where a declaration may be.
        name: The file's name, for errors.

    Returns:
        The text, and an ``encoding`` finding when it was guessed or bytes had to be replaced.

    Raises:
        ParseError: The content is binary.
    """
    text, findings = _decoded(data, kind=kind, name=name)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text, findings


def _decoded(data: bytes, *, kind: str, name: str) -> tuple[str, tuple[Finding, ...]]:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _lenient(data[len(mark) :], encoding)
    if b"\0" in data:
        wide = _unmarked_utf16(data)
        if wide:
            return _lenient(data, wide, guessed=True)
        raise ParseError(
            f"{name}: the content is binary, not text (it has NUL bytes).",
            remedy="Exclude the file, or save it as UTF-8 text.",
        )
    declared = _declared(data, kind)
    # ISO-2022-JP and HZ text is valid UTF-8 by accident; everything else that is valid UTF-8 is UTF-8.
    if not (declared and declared.startswith(("iso-2022", "iso2022", "hz"))):
        try:
            return data.decode("utf-8"), ()
        except UnicodeDecodeError:
            pass
    if declared:
        return _lenient(data, declared)
    return _guessed(data, name)


def _declared(data: bytes, kind: str) -> str:
    pattern = _DECLARATIONS.get(kind)
    match = pattern.search(data[:4096]) if pattern else None
    if not match:
        return ""
    label = match[1].decode("ascii", "replace").lower()
    if not _CHARACTER_SETS.match(label) or label.startswith("utf-7"):
        return ""
    try:
        encoding = codecs.lookup(label).name
    except LookupError:
        return ""
    # The Encoding Standard reads both labels as windows-1252, and a declaration that says UTF-16 in ASCII is wrong.
    if encoding in ("iso8859-1", "ascii"):
        return "cp1252"
    return "utf-8" if encoding.startswith(("utf-16", "utf-32")) else encoding.replace("_", "-")


def _unmarked_utf16(data: bytes) -> str:
    """Text in UTF-16 has NUL as nearly every second byte where it is in Latin letters, and nowhere else.

    A few bytes are no evidence, nor is a binary file of small numbers: the other bytes must be those of text.
    """
    sample = data[: 2**16]
    even, odd, pairs = sample[::2].count(0), sample[1::2].count(0), len(sample) // 2
    if pairs < _UTF16_PAIRS:
        return ""
    if not even and odd * 10 > pairs * 7:
        encoding, letters = "utf-16-le", sample[::2]
    elif not odd and even * 10 > pairs * 7:
        encoding, letters = "utf-16-be", sample[1::2]
    else:
        return ""
    return "" if any(letter < 0x20 and letter not in b"\t\n\f\r" for letter in letters) else encoding


def _lenient(data: bytes, encoding: str, *, guessed: bool = False) -> tuple[str, tuple[Finding, ...]]:
    try:
        return data.decode(encoding), (Finding(kind="encoding", detail=f"guessed {encoding}"),) if guessed else ()
    except UnicodeDecodeError:
        text = data.decode(encoding, errors="replace")
        return text, (Finding(kind="encoding", count=text.count("\ufffd"), detail=f"bytes that are not {encoding}"),)


def _guessed(data: bytes, name: str) -> tuple[str, tuple[Finding, ...]]:
    text = data.decode("utf-8", errors="replace")
    replaced = text.count("\ufffd")
    other = sum(1 for character in text[:100_000] if character > "\x7f" and character != "\ufffd")
    if other > 10 * replaced:
        return text, (Finding(kind="encoding", count=replaced, detail="bytes that are not utf-8"),)
    from charset_normalizer import from_bytes

    best = from_bytes(data[:1_000_000], preemptive_behaviour=False).best()
    if best is None:
        raise ParseError(
            f"{name}: the content is binary, or text in an unknown encoding.",
            remedy="Exclude the file, or save it as UTF-8 text.",
        )
    text = data.decode(best.encoding, errors="replace")
    return text, (Finding(kind="encoding", detail=f"guessed {best.encoding}"),)
