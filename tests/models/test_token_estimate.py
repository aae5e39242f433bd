from __future__ import annotations

import random
import re

from tercet.models.tokens import WordEstimate

RULE = re.compile(
    r"(?<![A-Za-z])(?:[A-Z][a-z]{1,2}|[a-z]{1,3})|[a-z]{1,2}|[A-Z]{1,2}|\d|_|[\uac00-\ud7a3]|[^\w\s]", re.ASCII
)
ALPHABET = "aabcdzABCZ01_ .,\n\t\x1c\u00e9\uac00\ud7a3\U0001f600\u3042\x85\xa0"


def test_the_estimate_finds_in_arrays_what_its_rule_says():
    choice = random.Random(0)
    for turn in range(3000):
        length = choice.randrange(14) if turn % 10 else choice.randrange(490, 700)
        text = "".join(choice.choice(ALPHABET if turn % 2 else "abCD 1_") for _ in range(length))
        expected = [
            match.start()
            for match in RULE.finditer(text)
            for _ in range(3 if "\uac00" <= match.group() <= "\ud7a3" else 1)
        ]
        assert WordEstimate().starts(text) == expected, text
        assert WordEstimate().count(text) == len(expected), text
