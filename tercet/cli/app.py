"""The command's entry point: finds the command, runs it, and turns what went wrong into words and an exit code.

Exit codes: 0 ok, 1 something failed that is listed, 2 usage or data, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from tercet.errors import TercetError

OK = 0
LISTED = 1
REFUSED = 2
INTERRUPTED = 130

app = typer.Typer(
    name="tercet",
    help="Ingest documentation, search it, ask it, and see why each hit was found.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from tercet import __version__

        typer.echo(f"tercet {__version__}")
        raise typer.Exit(OK)


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    pass


def _register() -> None:
    from tercet.cli import (
        approvals,
        archive,
        ask,
        effects,
        evals,
        forget,
        ingest,
        maintain,
        memory,
        replay,
        runs,
        search,
        worker,
    )

    for command in (
        ingest.ingest,
        ingest.embed,
        worker.worker,
        search.search,
        ask.ask,
        maintain.status,
        maintain.doctor,
        maintain.reindex,
        forget.forget,
        archive.backup,
        archive.restore,
    ):
        app.command()(command)
    app.add_typer(memory.memory_app, name="memory")
    runs.runs_app.command()(replay.replay)
    app.add_typer(runs.runs_app, name="runs")
    app.add_typer(approvals.approvals_app, name="approvals")
    app.add_typer(effects.effects_app, name="effects")
    app.add_typer(evals.eval_app, name="eval")


_register()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``tercet`` and return its exit code. Never raises for what a user can cause.

    Args:
        arguments: Words of the command line; those of the process by default.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in (words[: words.index("--")] if "--" in words else words)
    try:
        code = app(words, prog_name="tercet", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except SystemExit as stop:  # the reader of our output has gone away
        code = stop.code
    except TercetError as error:
        _report(type(error).__name__, error.message, error.remedy, as_json=as_json)
        return REFUSED
    except OSError as error:
        place = f" {error.filename!r}" if error.filename else ""
        _report(type(error).__name__, f"{error.strerror or error}{place}.", "", as_json=as_json)
        return REFUSED
    except Exception as error:
        return _unexpected(error, as_json=as_json)
    if code == INTERRUPTED:
        _report("KeyboardInterrupt", "Stopped.", _after_interrupt(words), as_json=as_json)
    return code if isinstance(code, int) else OK


def _unexpected(error: Exception, *, as_json: bool) -> int:
    if hasattr(error, "format_message"):  # a usage error of the option parser, whichever library version it comes from
        if as_json:
            _report("UsageError", error.format_message(), "Add --help to see the options.", as_json=True)
        else:
            error.show()  # type: ignore[attr-defined]  # comes with the other
        return REFUSED
    if os.environ.get("TERCET_TRACEBACK"):
        typer.echo(traceback.format_exc(), err=True)
    _report(
        type(error).__name__,
        f"Unexpected {type(error).__name__}: {error}",
        "This is a defect of Tercet; set TERCET_TRACEBACK=1 to see where, and report it.",
        as_json=as_json,
    )
    return REFUSED


def _report(kind: str, message: str, remedy: str, *, as_json: bool) -> None:
    from tercet.cli.output import print_json, printable

    if as_json:
        print_json({"error": {"type": kind, "message": message, "remedy": remedy}})
        return
    label = "" if kind == "KeyboardInterrupt" else "Error: "
    typer.echo(printable(f"{label}{message}"), err=True)
    if remedy:
        typer.echo(printable(remedy), err=True)


_RESUMABLE = "The memory is usable as it stands; run the same {} command again to go on where it stopped."
_INTERRUPTED = {
    "forget": (
        "What was begun is finished by the next command that writes or searches, or by `tercet forget --finish`."
    ),
    "ingest": _RESUMABLE.format("ingest"),
    "embed": _RESUMABLE.format("embed"),
    "reindex": _RESUMABLE.format("reindex"),
    "worker": "What it was at is left to other workers, or to the next one.",
    "backup": "The memory is untouched; the unfinished backup is not valid, run the command again.",
    "restore": "The unfinished memory is not valid; remove its folder and run the command again.",
    "memory import": "Nothing was imported, or all of it; run the same import again to be sure.",
    "eval sweep": "Finished configurations are kept; run the same command again to go on with the others.",
    "eval run": "No run was written; vectors that were made are kept for the next one.",
    "eval judge": "Verdicts that were made are kept; run the same command again to go on from there.",
}


def _after_interrupt(words: Sequence[str]) -> str:
    command = next((word for word in words if not word.startswith("-")), "")
    return _INTERRUPTED.get(" ".join(words[:2])) or _INTERRUPTED.get(command, "Nothing was changed.")
