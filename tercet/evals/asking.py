"""Putting the questions of a data set, one after the other; one that fails does not stop the others."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from tercet.errors import ConfigurationError, StoreError, VectorError
from tercet.records import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Found = TypeVar("Found")

FATAL = (ConfigurationError, StoreError, VectorError)
"""What is wrong with the run and not with a question: no model, a damaged store, a full disk."""


@dataclass(frozen=True, slots=True)
class Answers(Generic[Found]):
    """What was found, by question id, and why some questions failed."""

    found: dict[str, Found] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


def ask(
    questions: Mapping[str, str],
    search: Callable[[str, str], Found],
    *,
    then: Callable[[str, str, Found], None] | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Answers[Found]:
    """Search for every question, and time each search.

    Args:
        questions: Text by id.
        search: Given id and text; its time is counted.
        then: Given what was found as well; its time is not counted, a failure of it counts as the question's.
        progress: Called after each question.

    Raises:
        TercetError: Every question would fail for the same reason.
    """
    answers: Answers[Found] = Answers()
    for done, (key, text) in enumerate(questions.items(), start=1):
        try:
            began = time.perf_counter()
            found = search(key, text)
            seconds = time.perf_counter() - began
            if then is not None:
                then(key, text, found)
        except FATAL:
            raise
        except Exception as error:  # whatever it is, it is listed, and the other questions count
            answers.errors[key] = f"{type(error).__name__}: {error}"
        else:
            answers.found[key] = found
            answers.seconds[key] = seconds
        if progress:
            progress(Progress(phase="ask", done=done, total=len(questions)))
    return answers
