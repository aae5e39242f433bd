"""Documentation sites into a folder: fetched politely, within limits, and never from where a page must not lead."""

from __future__ import annotations

from tercet.ingestion.web.mirror import mirror
from tercet.ingestion.web.report import Mirror, MirroredPage

__all__ = ["Mirror", "MirroredPage", "mirror"]
