"""Runs and comparisons as one HTML page each, which needs no network and no other file."""
