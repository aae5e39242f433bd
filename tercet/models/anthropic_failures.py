"""Which error a status of the Anthropic service means, and when it wants to be asked again."""

from __future__ import annotations

import math
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from tercet.errors import (
    ContextWindowError,
    ModelError,
    ModelUnavailableError,
    RateLimitedError,
    RequestRefusedError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tercet.records import Usage

STATUS_OF_EVENT = {"overloaded_error": 529, "rate_limit_error": 429, "api_error": 500, "timeout_error": 504}
"""An ``error`` event comes with status 200; this is the status it would have had. Others are refusals: 400."""

_PASSING = {408, 409, 499}
_TOO_LONG = "prompt is too long"
_REMEDIES = {
    401: "Check the key.",
    402: "Check the account's billing.",
    403: "Ask for access with this key.",
    404: "Check the model's name.",
    413: "Send less.",
}


def status_error(
    message: str,
    *,
    status: int,
    said: str,
    headers: Mapping[str, str],
    request_id: str | None,
    usage: Usage | None = None,
) -> ModelError:
    """The error that a status means; ``x-should-retry`` has the last word on asking again.

    Args:
        message: For people.
        status: Of HTTP.
        said: What the service said.
        headers: Of the response, by lower-case name.
        request_id: Of the request.
        usage: What it cost all the same.
    """
    passing = status >= 500 or status in _PASSING
    retryable = {"true": True, "false": False}.get(headers.get("x-should-retry", ""), passing or status == 429)
    wait = retry_after(headers)
    if status == 429:
        return RateLimitedError(message, usage=usage, request_id=request_id, retryable=retryable, retry_after=wait)
    if passing:
        return ModelUnavailableError(message, usage=usage, request_id=request_id, retryable=retryable, retry_after=wait)
    if status == 400 and said.startswith(_TOO_LONG):  # nothing but the wording tells it from other refusals
        remedy = "Give it less context, or a shorter history."
        return ContextWindowError(message, usage=usage, request_id=request_id, remedy=remedy)
    remedy = _REMEDIES.get(status, "Check the request.")
    return RequestRefusedError(
        message, usage=usage, request_id=request_id, retryable=retryable, retry_after=wait, remedy=remedy
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the service wants to be left alone: ``retry-after-ms``, or ``retry-after`` in seconds or as a date.

    A date counts from the ``date`` of the same response, so that no clocks are compared.

    Example:
        >>> retry_after({"retry-after": "2"}), retry_after({"retry-after-ms": "150"}), retry_after({})
        (2.0, 0.15, None)
    """
    milliseconds = _seconds(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    told = headers.get("retry-after", "")
    seconds = _seconds(told)
    if seconds is not None:
        return seconds
    try:
        wait = (parsedate_to_datetime(told) - parsedate_to_datetime(headers.get("date", ""))).total_seconds()
    except (TypeError, ValueError):
        return None
    return max(wait, 0.0)


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 0 <= seconds < math.inf else None
