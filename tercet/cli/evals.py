"""``tercet eval``: measuring retrieval, and the data to measure it on."""

from __future__ import annotations

import typer

from tercet.cli import evals_data

eval_app = typer.Typer(
    help="Measure retrieval, and make the data to measure it on.", no_args_is_help=True, rich_markup_mode=None
)
for command in (evals_data.lint, evals_data.golden, evals_data.label):
    eval_app.command()(command)
