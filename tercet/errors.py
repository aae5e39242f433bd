"""Every error Tercet raises on purpose, in one tree.

    TercetError
    ├── ConfigurationError            a setting, argument or combination that cannot work
    │   ├── EmbedderUnavailableError  no weights could be resolved, or the library is missing
    │   ├── EmbedderMismatchError     the folder holds vectors of another model
    │   └── EngineUnavailableError    no embedded vector engine for this platform
    ├── InputError                    data the caller gave us
    │   ├── SourceError               a file or folder that cannot be ingested as named
    │   ├── ParseError                one file whose content could not be turned into text
    │   ├── DeletionRefusedError      a run would remove more than the caller allowed
    │   └── BackupError               a backup that is damaged, or a target that is not empty
    ├── StoreError                    the database or the vector index failed
    │   ├── MemoryLockedError         another process holds the folder
    │   ├── ClaimLostError            another process took over what this one was doing
    │   ├── MemoryNotFoundError       there is no memory at this place
    │   ├── FormatVersionError        the folder was written by a newer Tercet
    │   ├── CorruptMemoryError        what is on disk contradicts itself
    │   ├── DiskFullError             too little free space to write safely
    │   └── ForkedProcessError        an engine handle was used in a forked child
    └── VectorError                   a vector or point that the index must not accept

Branches follow who can act: who configured, who gave the data, who runs the machine.
A message names the thing and the reason; the remedy is an attribute of its own, and part of ``str(error)``.
"""

from __future__ import annotations


class TercetError(Exception):
    """Root of all errors raised by Tercet.

    Args:
        message: What happened, to which thing, and why.
        remedy: What to do next, as a sentence or a command. Shown after the message.
    """

    def __init__(self, message: str, *, remedy: str = "") -> None:
        self.message = message
        self.remedy = remedy
        super().__init__(f"{message} {remedy}" if remedy else message)


class ConfigurationError(TercetError):
    """A setting, argument or combination that cannot work."""


class EmbedderUnavailableError(ConfigurationError):
    """No embedding weights could be resolved, or the library that runs them is missing."""


class EmbedderMismatchError(ConfigurationError):
    """The memory holds vectors made by another model than the one asked for."""


class EngineUnavailableError(ConfigurationError):
    """The embedded vector engine has no build for this platform."""


class InputError(TercetError):
    """Data given by the caller cannot be used."""


class SourceError(InputError):
    """A file or folder cannot be ingested as it was named."""


class ParseError(InputError):
    """One file's content could not be turned into text; other files are not affected."""


class DeletionRefusedError(InputError):
    """A run would remove more documents than the caller allowed; nothing was changed."""


class BackupError(InputError):
    """A backup is damaged, or the place to restore into is not empty."""


class StoreError(TercetError):
    """The database or the vector index failed."""


class MemoryLockedError(StoreError):
    """Another process holds the memory; the holder is named."""


class ClaimLostError(StoreError):
    """This process was taken for dead, and another one took over what it was doing; nothing was written."""


class MemoryNotFoundError(StoreError):
    """There is no memory at the place named."""


class FormatVersionError(StoreError):
    """The memory was written in a format that this Tercet does not read."""


class CorruptMemoryError(StoreError):
    """What is on disk contradicts itself."""


class DiskFullError(StoreError):
    """Too little free space is left to write safely; nothing was written."""


class ForkedProcessError(StoreError):
    """An engine handle opened in a parent process was used in a forked child."""


class VectorError(TercetError):
    """A vector or point is malformed (shape, finiteness, ids, sparse arrays); nothing was written."""
