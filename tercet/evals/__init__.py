"""Measuring retrieval on labelled data."""
