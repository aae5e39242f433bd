"""The command ``tercet``: the only part that prints. Every command is a thin layer over the Python interface."""

from tercet.cli.app import main

__all__ = ["main"]
