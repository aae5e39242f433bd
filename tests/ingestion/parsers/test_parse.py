from __future__ import annotations

import codecs
import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tercet.errors import ParseError
from tercet.ingestion.parsers import BINARY, FORMATS, format_of, parse
from tercet.records import ParsedDocument

DATA = Path(os.environ.get("TERCET_DATA", Path(__file__).parents[4] / "shared" / "data"))
MARKUP = st.lists(
    st.sampled_from(
        [
            "#",
            "|a|b|\n|-|-|\n",
            "```\n",
            "~~~",
            ">",
            "-",
            "1.",
            "::: note\n",
            "===",
            "!!! tip\n    ",
            ".. note::",
            ".. foo::\n   :a: b",
            "<!--",
            "-->",
            "<div hidden>",
            "</div>",
            "<pre>",
            "<ul>",
            "<li>",
            "<table>",
            "<tr>",
            "<td>",
            "<h2>",
            "x",
            "[a]: b\n",
            "---",
            "*b*",
            ":r:`x`",
            "class A:",
            "def f():",
            '"""',
            "\n\n",
            "\n",
            "|",
            "`",
            "____",
            "&#x200b;",
            "\u200b",
            "\u202e",
            "\x1b[1m",
            "\xe9",
        ]
    ),
    max_size=40,
).map(" ".join)


def check(document: ParsedDocument) -> None:
    position = 0
    for block in document.blocks:
        assert position <= block.start <= block.end <= len(document.text)
        assert block.start < block.end or block.kind == "heading"
        if block.kind in ("code", "table"):
            assert block.start <= block.lead_end <= block.end
        if block.kind == "heading":
            assert block.title
            assert block.level >= 1
        if document.verbatim:
            assert block.line == document.text.count("\n", 0, block.start) + 1
        position = block.end


def test_the_suffix_chooses_the_parser() -> None:
    assert format_of("a/README") == "text"
    assert format_of("a/Guide.MARKDOWN") == "markdown"
    assert format_of("image.png") is None
    with pytest.raises(ParseError, match=r"image\.png.*no parser"):
        parse(b"x", name="image.png")


TEXT_FORMATS = [suffix for suffix, kind in FORMATS.items() if kind not in BINARY]


@pytest.mark.parametrize("suffix", TEXT_FORMATS)
@pytest.mark.parametrize("data", [b"", b" \n\t\n", codecs.BOM_UTF8])
def test_a_file_without_text_has_no_blocks(suffix: str, data: bytes) -> None:
    assert parse(data, name=f"x{suffix}").blocks == ()


@pytest.mark.parametrize("suffix", TEXT_FORMATS)
def test_binary_content_is_refused_by_name(suffix: str) -> None:
    with pytest.raises(ParseError, match="binary") as caught:
        parse(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", name=f"x{suffix}")
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_a_byte_order_mark_says_the_encoding(mark: bytes, encoding: str) -> None:
    document = parse(mark + "Grüße 漢字\r\n".encode(encoding), name="x.txt")
    assert document.text == "Grüße 漢字\n"
    assert document.findings == ()


def test_text_in_another_encoding_is_guessed_and_reported() -> None:
    source = "Äpfel, Öl und Übermut: größere Straßen führen über weiße Brücken. " * 20
    document = parse(source.encode("cp1252"), name="x.txt")
    assert document.text == source
    assert [finding.kind for finding in document.findings] == ["encoding"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark_is_recognised_and_reported(encoding: str) -> None:
    document = parse("Keys are rotated.\n".encode(encoding), name="x.txt")
    assert document.text == "Keys are rotated.\n"
    assert [finding.kind for finding in document.findings] == ["encoding"]


def test_a_damaged_utf8_file_stays_utf8() -> None:
    document = parse(("größer " * 50).encode() + b"\xff", name="x.txt")
    assert document.text.startswith("größer größer")
    assert document.findings[0].kind == "encoding"


def test_html_is_decoded_as_it_declares() -> None:
    page = '<meta charset="shift_jis"><p>日本語の文書です。'.encode("shift_jis")
    assert parse(page, name="x.html").text == "日本語の文書です。"
    old = b'<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-1"><p>\x93caf\xe9\x94'
    assert parse(old, name="x.html").text == "“café”"


def test_hidden_characters_are_gone_before_offsets_are_taken() -> None:
    document = parse("# K\u200bey\n\nte\u202ext".encode(), name="x.md")
    assert document.blocks[0].title == "Key"
    assert document.text[document.blocks[1].start : document.blocks[1].end] == "text"
    assert {finding.kind for finding in document.findings} == {"zero-width", "bidi-control"}


def test_plain_text_is_cut_at_blank_lines_only() -> None:
    document = parse(b"Title\n=====\n\n one\ntwo\n \t\nthree", name="x.txt")
    assert [document.text[block.start : block.end] for block in document.blocks] == [
        "Title\n=====",
        " one\ntwo",
        "three",
    ]
    assert [block.line for block in document.blocks] == [1, 4, 7]


@pytest.mark.parametrize("suffix", [".md", ".rst", ".html", ".txt", ".py"])
@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_text_gives_ascending_blocks_or_a_typed_error(suffix: str, data: st.DataObject) -> None:
    text = data.draw(st.one_of(MARKUP, st.text(max_size=80)))
    with contextlib.suppress(ParseError):
        check(parse(text.encode("utf-8", "replace"), name=f"x{suffix}"))


@pytest.mark.skipif(not (DATA / "docs_corpora").is_dir(), reason="the documentation corpora are not here (TERCET_DATA)")
@pytest.mark.parametrize("corpus", ["rust_book", "fastapi", "pydantic", "flask", "drf", "prometheus", "polars"])
def test_real_documentation_parses_whole(corpus: str) -> None:
    files = [path for path in sorted((DATA / "docs_corpora" / corpus).rglob("*")) if path.suffix in (".md", ".rst")]
    assert files
    for path in files:
        document = parse(path.read_bytes(), name=path.name)
        check(document)
        assert document.blocks or path.stat().st_size < 400, path


def test_small_numbers_in_binary_are_not_taken_for_utf_16() -> None:
    for content in (b"\x00\x01", b"\x00\x01\x00\x02" * 100, b"\x05\x00" * 100):
        with pytest.raises(ParseError, match="binary"):
            parse(content, name="numbers.txt")
