"""Gates and the stored baseline of a repository, from a file that is reviewed with its code.

The table ``[tool.tercet.eval]`` of ``pyproject.toml``, or the same keys at the top of a TOML file of their own::

    baseline = "evals/baseline"
    gates = ["nDCG@10>=-0.01", "R@10>=-0.02"]
    measures = ["nDCG@10", "R@10"]   # optional: what to compare besides
    strict = false                    # optional: an inconclusive gate fails
"""

from __future__ import annotations

import tomllib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from tercet.errors import ConfigurationError
from tercet.evals.gate import Gate
from tercet.evals.runs import write_run

if TYPE_CHECKING:
    from pathlib import Path

    from tercet.evals.records import EvalRun

PYPROJECT = "pyproject.toml"


class GateFile(BaseModel):
    """What a repository says of its gate."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    baseline: str | None = None
    """Folder of the stored baseline, relative to the file."""
    gates: list[str] = []
    measures: list[str] = []
    strict: bool = False

    def parsed_gates(self) -> tuple[Gate, ...]:
        """The gates as values.

        Raises:
            ConfigurationError: One of them cannot be read.
        """
        return tuple(map(Gate.parse, self.gates))


def read_gate_file(path: Path) -> GateFile:
    """Read the gates of a repository.

    Args:
        path: A ``pyproject.toml``, or a TOML file with these keys alone.

    Returns:
        With ``baseline`` made relative to the current folder.

    Raises:
        ConfigurationError: The file cannot be read, or has other keys or types.
    """
    remedy = 'Such as: baseline = "evals/baseline" and gates = ["nDCG@10>=-0.01"]'
    try:
        document: Any = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.", remedy=remedy) from error
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}.", remedy=remedy) from None
    if path.name == PYPROJECT:
        document = _table(document)
    try:
        found = GateFile.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(f"{path}: {where or '[tool.tercet.eval]'}: {first['msg']}.", remedy=remedy) from None
    return found.model_copy(update={"baseline": str(path.parent / found.baseline)}) if found.baseline else found


def _table(document: Any) -> Any:  # noqa: ANN401 -- of a TOML file, not yet validated
    for key in ("tool", "tercet", "eval"):
        document = document.get(key, {}) if isinstance(document, dict) else document
    return document


def store_baseline(folder: str | Path, run: EvalRun) -> Path:
    """Write a run as a baseline to commit: without the texts of what was found, which the repository holds anyway.

    Raises:
        InputError: The place holds something other than a run.
    """
    outcomes = tuple(
        replace(outcome, ranking=tuple(replace(item, text="") for item in outcome.ranking)) for outcome in run.outcomes
    )
    return write_run(folder, replace(run, outcomes=outcomes))
