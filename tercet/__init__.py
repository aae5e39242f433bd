"""Tercet: three memories, one budgeted context."""
