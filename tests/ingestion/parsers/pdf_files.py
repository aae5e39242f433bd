"""PDF files made for tests: text at places, in Helvetica, without any library."""

from __future__ import annotations

from collections.abc import Sequence

IMAGE = b"q 600 0 0 780 6 6 cm BI /W 1 /H 1 /CS /G /BPC 8 ID \x80 EI Q"
"""A grey image over nearly the whole page."""

Item = str | bytes


def text(x: float, y: float, words: str, *, size: float = 10, bold: bool = False, setup: str = "") -> bytes:
    """One line of text; ``setup`` is any operators before it, such as ``"3 Tr"`` or ``"1 1 1 rg"``."""
    escaped = words.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)").encode("cp1252")
    font = "F2" if bold else "F1"
    return f"q BT {setup} /{font} {size} Tf {x} {y} Td (".encode() + escaped + b") Tj ET Q"


def lines(x: float, y: float, words: Sequence[str], *, size: float = 10, leading: float = 12) -> bytes:
    """Lines one below the other."""
    return b"\n".join(text(x, y - index * leading, line, size=size) for index, line in enumerate(words))


def pdf(pages: Sequence[Sequence[bytes]], *, title: str = "", outline: Sequence[tuple[str, int]] = ()) -> bytes:
    """A file of pages, each a list of content; ``outline`` has titles with the page (from 0) that they lead to."""
    objects: list[bytes] = [b""] * 5
    objects[2] = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
    objects[3] = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>"
    escaped = title.replace("(", "\\(").replace(")", "\\)")
    objects[4] = f"<< /Title ({escaped}) >>".encode("cp1252")
    kids: list[int] = []
    for items in pages:
        stream = b"\n".join(items)
        objects.append(b"<< /Length %d >>\nstream\n%b\nendstream" % (len(stream), stream))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> >>" % len(objects)
        )
        kids.append(len(objects))
    entries = len(objects) + 2
    for index, (name, page) in enumerate(outline):
        if not index:
            objects.append(b"<< /First %d 0 R /Last %d 0 R >>" % (entries, entries + len(outline) - 1))
        following = b"/Next %d 0 R " % (entries + index + 1) if index + 1 < len(outline) else b""
        entry = b"<< /Title (%b) /Parent %d 0 R %b/Dest [%d 0 R /Fit] >>"
        objects.append(entry % (name.encode("cp1252"), entries - 1, following, kids[page]))
    bookmarks = b" /Outlines %d 0 R" % (entries - 1) if outline else b""
    objects[0] = b"<< /Type /Catalog /Pages 2 0 R%b >>" % bookmarks
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%b] >>" % (len(kids), b" ".join(b"%d 0 R" % kid for kid in kids))
    written, offsets, position = [b"%PDF-1.4\n"], [], 9
    for number, body in enumerate(objects, 1):
        offsets.append(position)
        written.append(b"%d 0 obj\n%b\nendobj\n" % (number, body))
        position += len(written[-1])
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    written.append(b"xref\n0 %d\n0000000000 65535 f \n%b" % (len(objects) + 1, table))
    written.append(
        b"trailer\n<< /Size %d /Root 1 0 R /Info 5 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, position)
    )
    return b"".join(written)
