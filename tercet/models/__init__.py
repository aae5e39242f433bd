"""Text to numbers and text: embedders, the lexical analyzer and token counters."""
