"""Choosing: one strategy a store, and the fusion of its signals."""
