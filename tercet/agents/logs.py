"""Logs of runs as JSON, one object a line, so that a search for the id of a run gives its lines and no others."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

FIELDS = ("run", "root", "task", "agent", "span")
"""What every line of a run says: its id, that of the first run of its tree, the kind of task, who, and which step."""


class JsonFormatter(logging.Formatter):
    """Writes each record of the standard library's logging as a JSON object on a line of its own.

    The logger ``tercet.agents`` has a record for every event of a run, at ``INFO``: what happened and where, and never
    what was said. Prompts, answers, arguments and results are in the journal alone.

    Example:
        >>> import sys
        >>> handler = logging.StreamHandler(sys.stderr)
        >>> handler.setFormatter(JsonFormatter())
        >>> logger = logging.getLogger("tercet.agents")
        >>> logger.addHandler(handler)  # doctest: +SKIP
        >>> logger.setLevel(logging.INFO)  # doctest: +SKIP
    """

    def format(self, record: logging.LogRecord) -> str:
        """One line: time in UTC, level, logger and event, then the ids of the run if it is of one."""
        line: dict[str, str] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
        }
        line |= {field: str(getattr(record, field)) for field in FIELDS if hasattr(record, field)}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
