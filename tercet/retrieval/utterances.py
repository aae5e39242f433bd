"""What a sentence of a conversation is worth keeping for: signs of facts, decisions, wishes and corrections.

Words are English and German. They add to what holds in any language: numbers, dates, identifiers, names.
"""

# ruff: noqa: RUF001 - curly apostrophes are what people write
from __future__ import annotations

import re

from tercet.models.protected_spans import protected_spans

_DECISION = (
    r"decid\w+|decision|agreed|let['’]s (?:go|use|take|do|keep|make|stick)|go(?:ing)? with|settled?(?: on)?|chose[n]?"
    r"|choos\w+|approved|confirmed|reject\w+|rul(?:ed|ing) out|switch(?:ed|ing)? to|sign(?:ed)? off|final(?:ised|ized)?"
    r"|booked|picked|beschlossen|entschieden|entscheidung|einig\w*|vereinbart|abgemacht|wir nehmen|wir bleiben|gebucht"
    r"|endgültig|festgelegt|genehmigt|abgelehnt"
)
_CORRECTION = (
    r"actually|correction|scratch that|i meant|instead|no longer|not .{1,40}, but|changed my mind|change of plan"
    r"|moved to|rather than|update:|i misspoke|was wrong|korrektur|stattdessen|nicht mehr|ich meinte|sondern|doch nicht"
    r"|verschoben|geändert|eigentlich"
)
_COMMITMENT = (
    r"i['’]ll|i will|we['’]ll|we will|will (?:send|write|own|call|bring|handle)|deadline|due|must|by (?:mon|tues|wednes"
    r"|thurs|fri|satur|sun)day|owns?|responsible|promise\w*|ich werde|wir werden|spätestens|frist|muss|müssen|bis zum"
    r"|zuständig"
)
_PREFERENCE = (
    r"prefers?|favou?rite|always|never|don['’]t (?:use|want|like)|i (?:like|love|hate|want)|allerg\w+|vegetarian|vegan"
    r"|please (?:use|keep|do not|don['’]t)|bevorzug\w+|lieber|am liebsten|immer|nie(?:mals)?|bitte (?:immer|keine?|nur)"
    r"|ich (?:mag|hasse|will|möchte)"
)
_FACT = (
    r"(?:my|our|the|his|her|their) [\w -]{2,40} (?:is|are|was|runs|lives|lies|has|costs)|remember|note that|is called"
    r"|named|lives in|works (?:at|for|as)|born|mein\w* [\w -]{2,40} (?:ist|heißt|hat)|unser\w* [\w -]{2,40} (?:ist|hat)"
    r"|heißt|wohnt|arbeitet|kostet|liegt|merk(?:e|en)? dir|beachte"
)
_FILLER = (
    r"let me think|let['’]s think|thinking (?:about|aloud)|hmm+|on (?:the )?(?:one|other) hand|in general|generally"
    r"|it depends|thanks?|thank you|sure|great|of course|you['’]re welcome|no problem|sounds good|happy to|hello|hi"
    r"|good (?:morning|point|question|idea)|interesting|i see|i (?:think|guess|suppose|wonder)|maybe|perhaps|might"
    r"|could|consider(?:ing)?|step by step|one option|alternatively|trade-?offs?|worth (?:noting"
    r"|exploring|thinking)|arguably"
    r"|lass mich|mal sehen|überleg\w*|vielleicht|danke|gern(?:e)?|klar|hallo|guten (?:morgen|tag)|ich (?:denke|glaube)"
    r"|könnte\w*|einerseits|andererseits|kommt darauf an|grundsätzlich|interessant|stimmt"
)


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{pattern})(?!\w)", re.IGNORECASE)


_MARKERS = (
    (_words(_DECISION), 3.0),
    (_words(_CORRECTION), 2.0),
    (_words(_PREFERENCE), 2.0),
    (_words(_COMMITMENT), 1.5),
    (_words(_FACT), 1.5),
)
_CORRECTS = _words(_CORRECTION)
_REASONS = _words(_FILLER)
_NAME = re.compile(r"(?<=[a-zäöüß,;] )[A-ZÄÖÜ][\wäöüß-]{2,}")
_WEIGHTS = {"number": 1.0, "date": 1.0, "identifier": 1.0, "link": 1.0, "code": 1.0, "citation": 0.5, "negation": 0.3}
_MOST = 3.0


def corrects(text: str) -> bool:
    """Whether a sentence says that something said before no longer holds.

    Example:
        >>> corrects("Actually, the port is 9090."), corrects("The port is 8080.")
        (True, False)
    """
    return bool(_CORRECTS.search(text))


def information(text: str) -> float:
    """How much a sentence says that would be missed: markers, exact values and names, less reasoning and courtesies.

    Example:
        >>> information("We decided to use Postgres 16.") > information("Let me think about databases in general.")
        True
    """
    marked = sum(weight for pattern, weight in _MARKERS if pattern.search(text))
    kinds: dict[str, float] = {}
    for span in protected_spans(text):
        kinds.setdefault(text[span.start : span.end].casefold(), _WEIGHTS[span.kind])
    names = 0.5 * len(set(_NAME.findall(text)))
    reasoning = 1.5 * min(2, len(_REASONS.findall(text)))
    asks = 2.5 if text.rstrip().endswith("?") else 0.0
    long = max(0, len(text) - 160) / 160
    return marked + min(_MOST, sum(kinds.values())) + min(1.0, names) - reasoning - asks - long
