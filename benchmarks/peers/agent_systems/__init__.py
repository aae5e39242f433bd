"""Agent frameworks with a model that is scripted: one module each, with ``PACKAGES``, ``WRITES`` and ``Runs``."""
