"""``tercet eval``: measure retrieval, compare two runs, and stop a change that makes it worse."""

from __future__ import annotations

import typer

eval_app = typer.Typer(
    help="Measure retrieval on labelled questions, compare two runs, and stop a change that makes it worse.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@eval_app.callback()
def _root() -> None:
    pass


def _register() -> None:
    """Commands of other modules join here: one import and one line each, functions as app.py takes them."""
    from tercet.cli import evals_run

    for command in (evals_run.run, evals_run.sweep):
        eval_app.command()(command)
    # data: tercet.cli.evals_data


_register()
