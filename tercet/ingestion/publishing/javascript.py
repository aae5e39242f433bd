"""Object literals of JavaScript and TypeScript, read without running anything.

What is no literal (a variable, a call, a template with values) becomes ``UNKNOWN``; ``require.resolve("./x")`` and the
like become their text.
"""

from __future__ import annotations

import re
from typing import Any

UNKNOWN = None
_SKIPPED = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/)+", re.DOTALL)
_STRING = re.compile(r"'((?:[^'\\\n]|\\.)*)'|\"((?:[^\"\\\n]|\\.)*)\"|`((?:[^`\\$]|\\.|\$(?!\{))*)`", re.DOTALL)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?\b")
_WORD = re.compile(r"[A-Za-z_$][\w$]*")
_CALLED = re.compile(r"require\.resolve\(\s*(['\"])([^'\"\n]*)\1\s*\)|require\(\s*(['\"])([^'\"\n]*)\3\s*\)")
_ASSERTION = re.compile(r"(?:as|satisfies)\b")
_ESCAPE = re.compile(r"\\(u\{[0-9a-fA-F]{1,6}\}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)", re.DOTALL)
_ENTRY = (
    re.compile(r"\bmodule\.exports\s*=\s*(?=\{)"),
    re.compile(r"\bexport\s+default\s*(?:\(\s*)?(?=\{)"),
)
_NAMED = (
    re.compile(r"\bexport\s+default\s+(?:async\s+function\s+)?([\w$]+)"),
    re.compile(r"\bmodule\.exports\s*=\s*([\w$]+)"),
)
_RETURN = re.compile(r"\breturn\s*(?:\(\s*)?(?=\{)")
_DEEPEST = 60
_CLOSERS = {"{": "}", "[": "]", "(": ")"}


def exported_object(source: str) -> dict[str, Any]:
    """The object that a module exports, as far as it is literal; empty if none is found.

    Example:
        >>> exported_object("const config = {url: 'https://x.org', hooks: [f()],};\\nexport default config;")
        {'url': 'https://x.org', 'hooks': [None]}
    """
    start = next((found.end() for pattern in _ENTRY if (found := pattern.search(source))), None)
    if start is None:
        for pattern in _NAMED:
            named = pattern.search(source)
            if named:
                declared = re.search(rf"\b{re.escape(named[1])}\b\s*(?::[^=\n]*)?=\s*(?:\(\s*)?(?=\{{)", source)
                start = declared.end() if declared else None
                break
    if start is None:
        returned = _RETURN.search(source)
        start = returned.end() if returned else None
    if start is None:
        return {}
    try:
        value, _ = _Reader(source).value(start, 0)
    except (IndexError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


class _Reader:
    def __init__(self, source: str) -> None:
        self._source = source

    def value(self, position: int, depth: int) -> tuple[Any, int]:  # noqa: PLR0911  # one for each kind of literal
        """The value that begins here, and the offset after it."""
        source = self._source
        position = self._skip(position)
        sign = source[position : position + 1]
        if depth < _DEEPEST and sign == "{":
            return self._after_value(*self._object(position + 1, depth + 1))
        if depth < _DEEPEST and sign == "[":
            return self._after_value(*self._array(position + 1, depth + 1))
        if depth < _DEEPEST and sign == "(":
            value, after = self.value(position + 1, depth + 1)
            if source[after : after + 1] == ")":
                return self._after_value(value, after + 1)
            return UNKNOWN, self._end_of_expression(position)
        string = _STRING.match(source, position)
        if string:
            return self._after_value(
                _unescaped(next(part for part in string.groups() if part is not None)), string.end()
            )
        number = _NUMBER.match(source, position)
        if number:
            return self._after_value(float(number[0]) if "." in number[0] else int(number[0]), number.end())
        word = _WORD.match(source, position)
        if word and word[0] in ("true", "false"):
            return self._after_value(word[0] == "true", word.end())
        called = _CALLED.match(source, position)
        if called:
            return self._after_value(called[2] or called[4], called.end())
        return UNKNOWN, self._end_of_expression(position)

    def _after_value(self, value: object, position: int) -> tuple[Any, int]:
        """A literal that an operator follows is part of an expression that cannot be known."""
        after = self._skip(position)
        if self._source[after : after + 1] in (",", "}", "]", ")", ";", ""):
            return value, after
        end = self._end_of_expression(after)
        return (value if _ASSERTION.match(self._source, after) else UNKNOWN), end

    def _object(self, position: int, depth: int) -> tuple[dict[str, Any], int]:
        values: dict[str, Any] = {}
        while True:
            position = self._skip(position)
            sign = self._source[position : position + 1]
            if sign in ("}", ""):
                return values, position + 1
            if sign == ",":
                position += 1
                continue
            string, word = _STRING.match(self._source, position), _WORD.match(self._source, position)
            key = string or word
            after = self._skip(key.end()) if key else position
            if key and self._source[after : after + 1] == ":":
                name = word[0] if word else _unescaped(next(part for part in key.groups() if part is not None))
                values[name], position = self.value(after + 1, depth)
            else:
                position = max(self._end_of_expression(position), position + 1)

    def _array(self, position: int, depth: int) -> tuple[list[Any], int]:
        values: list[Any] = []
        while True:
            position = self._skip(position)
            sign = self._source[position : position + 1]
            if sign in ("]", ""):
                return values, position + 1
            if sign in ",})":
                position += 1
                continue
            value, position = self.value(position, depth)
            values.append(value)

    def _end_of_expression(self, position: int) -> int:
        """The offset of the comma or bracket that ends the expression here."""
        closers: list[str] = []
        while position < len(self._source):
            position = self._skip(position)
            sign = self._source[position : position + 1]
            string = _STRING.match(self._source, position)
            if string:
                position = string.end()
                continue
            if sign in _CLOSERS:
                closers.append(_CLOSERS[sign])
            elif sign in ("}", "]", ")"):
                if not closers:
                    return position
                closers.pop()
            elif sign in (",", ";") and not closers:
                return position
            position += 1
        return position

    def _skip(self, position: int) -> int:
        blank = _SKIPPED.match(self._source, position)
        return blank.end() if blank else position


def _unescaped(text: str) -> str:
    def sign(found: re.Match[str]) -> str:
        code = found[1]
        if code[0] in "ux" and len(code) > 1:
            number = int(code[1:].strip("{}"), 16)
            return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else ""
        return {"n": "\n", "t": "\t", "r": "", "\n": ""}.get(code, code)

    return _ESCAPE.sub(sign, text) if "\\" in text else text
