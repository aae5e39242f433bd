"""Where sentences begin, by rules for many languages.

A sentence ends at a full stop, question or exclamation mark (or its sibling in another script) with the quotes and
brackets that close after it. A Latin full stop counts only before white space, and not after an abbreviation, an
initial or a list number, nor before a lower-case word. Time is linear in the text, whatever it holds.
"""

# ruff: noqa: RUF001 - the marks and abbreviations of many scripts look alike on purpose
from __future__ import annotations

import re

_CLOSERS = r"[\"'”’»)\]}*_`」』）】〉》〕］｝]"
# Of Chinese and Japanese; no white space need follow.
_WIDE = "。！？｡．‼⁇⁈⁉"
# Of other scripts.
_SPACED = ".!?…‽।॥؟۔։።၊။។៕"

_ENDS = re.compile(
    rf"(?<![{_WIDE}])[{_WIDE}]++{_CLOSERS}*+\s*+"
    rf"|(?<![{re.escape(_SPACED)}])[{re.escape(_SPACED)}]++{_CLOSERS}*+(?:\s++|(?=[\u3040-\u30ff\u4e00-\u9fff])(?<!\.))"
)
"""Possessive, and never begun inside a run of marks: each character is looked at a bounded number of times."""

_WORD_BEFORE = re.compile(r"[^\s(\[{\"'“‘«]*\Z")
_LOOK_BACK = 24

_ABBREVIATIONS = frozenset(
    word
    for line in (
        # English
        "mr mrs ms dr prof sr jr st rev gen col capt lt sgt gov sen rep hon pres vs etc e.g i.e eg ie cf al approx est",
        "ed eds op inc ltd co corp dept univ assn bros ave blvd rd min max incl resp viz ca",
        "jan feb mar apr jun jul aug sep sept oct nov dec tue wed thu fri",
        # German
        "bzw z.b d.h u.a usw ggf evtl str hr fr bspw vgl sog s.o s.u i.d.r u.u zzgl inkl hrsg",
        # French, Spanish, Italian, Dutch
        "m mm mme mlle p.ex c.-à-d env av apr sra srta ud uds ee.uu p.ej sig dott sig.ra ecc bijv enz",
        # Russian
        "т.е т.д т.п т.к др пр г гг ул им см напр тыс млн млрд руб",
    )
    for word in line.split()
)

_BEFORE_NUMBERS = frozenset(
    word
    for line in (
        "no nos fig figs eq eqs sec ch chap vol vols p pp art",
        "nr abs abb tab kap bd págs pág núm стр рис",
    )
    for word in line.split()
)
"""Abbreviations where a number follows, and else words that may end a sentence: "No." is an answer too."""

_MONTHS = re.compile(r"(?:Januar|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember)\b")


def sentence_starts(text: str, start: int = 0, end: int | None = None) -> list[int]:
    """Offsets in ``text`` at which the sentences of ``text[start:end]`` begin, ascending; the first is ``start``.

    White space between two sentences belongs to the former one.

    Example:
        >>> text = "It costs 3.50, e.g. at noon. Really? Yes."
        >>> [text[start:].split()[0] for start in sentence_starts(text)]
        ['It', 'Really?', 'Yes.']
    """
    end = len(text) if end is None else end
    found = [start]
    for match in _ENDS.finditer(text, start, end):
        following = match.end()
        if following >= end:
            break
        if text[match.start()] in _WIDE or _ends_sentence(text, start, match.start(), following):
            found.append(following)
    return found


def _ends_sentence(text: str, start: int, mark: int, following: int) -> bool:
    if text[following].islower():
        return False
    if text[mark] != "." or text.startswith("..", mark):
        return True
    before = _WORD_BEFORE.search(text, max(start, mark - _LOOK_BACK), mark)
    word = before.group() if before else ""
    lower = word.lower()
    if lower in _ABBREVIATIONS or (lower in _BEFORE_NUMBERS and text[following].isdigit()):
        return False
    if len(word) == 1 and word.isupper():
        return False
    if word.isdigit() and len(word) <= 3:
        begins = mark - len(word)
        line = text[max(start, begins - _LOOK_BACK) : begins].rpartition("\n")
        enumerates = not line[2].strip() and (bool(line[1]) or begins - start <= _LOOK_BACK)
        return not (enumerates or _MONTHS.match(text, following))
    # Initials joined by stops: U.S. and J.R.R.
    return not (len(word) <= 8 and "." in word and all(len(part) == 1 for part in word.split(".")))
