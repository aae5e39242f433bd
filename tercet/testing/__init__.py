"""Stand-ins and conformance suites for testing code that uses Tercet, and Tercet itself."""

from tercet.testing.embedder import HashEmbedder

__all__ = ["HashEmbedder"]
