"""The gate: the ordered steps that every tool call passes."""
