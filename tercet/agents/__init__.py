"""Agents: what acts on behalf of people, within bounds."""
