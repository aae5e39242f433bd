"""Why a page could not be had. Messages are reasons without the URL, as they stand in a report."""

from __future__ import annotations

from tercet.errors import InputError


class PageError(InputError):
    """One page could not be fetched; other pages are not affected."""


class StatusError(PageError):
    """The server answered, but not with the page."""

    def __init__(self, status: int, phrase: str = "") -> None:
        self.status = status
        super().__init__(f"answers {status} {phrase}".rstrip())


class AddressError(PageError):
    """The host has no address that may be connected to."""


class DroppedError(PageError):
    """The server closed the connection before it answered, as it does with one that it kept open for too long."""


class TooLargeError(PageError):
    """The page has more bytes than it may."""


class UnwantedError(PageError):
    """The page was reached, and its content is of a kind that is not ingested."""


class ExhaustedError(PageError):
    """A limit of the whole run is reached; no page after this one is requested."""


def shown(text: str) -> str:
    """Text that a server sent, short and in printable ASCII, for a message.

    Example:
        >>> shown("text/\\x1b[31mhtml")
        'text/\\\\x1b[31mhtml'
    """
    return ascii(text[:200])[1:-1] + ("…" if len(text) > 200 else "")
