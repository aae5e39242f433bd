"""Which HTML elements a browser does not show, told from the attributes of one tag.

Style sheets are not applied: a class that hides its element goes unseen, as most such rules depend on the screen.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

HIDING_ATTRIBUTES = frozenset({"hidden", "aria-hidden", "style", "class"})
"""An element without any of these is not hidden by itself."""

_HIDING_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)"
    r"|(?:font-size|opacity)\s*:\s*0+(?:\.0*)?(?=[a-z%\s;!]|$)"
    r"|(?:left|right|top|text-indent|margin-left)\s*:\s*-\d{3,}"
    r"|clip\s*:\s*rect\(\s*0|clip-path\s*:\s*inset\(\s*(?:50|100)%|(?<![-\w])color\s*:\s*transparent",
    re.IGNORECASE,
)
_HIDING_CLASS = re.compile(r"(?:^|\s)(?:sr-only|visually-?hidden|screen-reader-text|offscreen)(?:$|\s)", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"([^\s\"'>/=]+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'=<>`]+)))?")


def hides(attributes: Mapping[str, str]) -> bool:
    """Whether an element with these attributes is kept from sight.

    A tab panel is not hidden for good: readers bring it up with a click.

    Example:
        >>> hides({"style": "display: none"}), hides({"hidden": "", "role": "tabpanel"})
        (True, False)
    """
    if attributes.get("role") == "tabpanel":
        return False
    return (
        attributes.get("hidden", "until-found").lower() != "until-found"
        or attributes.get("aria-hidden", "").lower() == "true"
        or _HIDING_STYLE.search(attributes.get("style", "")) is not None
        or _HIDING_CLASS.search(attributes.get("class", "")) is not None
    )


def attributes_of(tag: str) -> dict[str, str]:
    """The attributes written in a tag, between its name and its end; names in lower case.

    Example:
        >>> attributes_of(' class="a b" hidden')
        {'class': 'a b', 'hidden': ''}
    """
    return {match[1].lower(): match[2] or match[3] or match[4] or "" for match in _ATTRIBUTE.finditer(tag)}
