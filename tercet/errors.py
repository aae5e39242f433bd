"""Every error Tercet raises on purpose, in one tree.

    TercetError
    ├── ConfigurationError            a setting, argument or combination that cannot work
    │   ├── EmbedderUnavailableError  no weights could be resolved, or the library is missing
    │   ├── EmbedderMismatchError     the folder holds vectors of another model
    │   ├── CounterUnavailableError   the ranks or the service of a token counter are out of reach
    │   ├── CredentialsError          no key for a hosted model
    │   └── EngineUnavailableError    no embedded vector engine for this platform
    ├── InputError                    data the caller gave us
    │   ├── SourceError               a file or folder that cannot be ingested as named
    │   ├── ParseError                one file whose content could not be turned into text
    │   ├── DeletionRefusedError      a run would remove more than the caller allowed
    │   ├── BudgetError               what must be kept needs more tokens than there are
    │   ├── BackupError               a backup that is damaged, or a target that is not empty
    │   ├── ImportRefusedError        an export that is damaged, or contradicts what the memory holds
    │   ├── DocumentNotFoundError     no working document under this key that the scope sees
    │   ├── DocumentExistsError       a working document under this key is there already
    │   ├── SchemaError               a value that does not fit its schema, or is of another one or another version
    │   ├── PatchError                a JSON Patch that does not apply
    │   ├── SizeLimitError            more than a working document or a scope may hold
    │   └── HashMismatchError         what a reference leads to is not what its sender saw
    ├── StateError                    a write that the rules of shared state refuse; nothing was changed
    │   ├── ConflictError             the writer had read another version than the newest
    │   ├── OwnershipError            the writer does not own what it would change
    │   └── ConstraintError           what was fixed at creation would change
    ├── StoreError                    the database or the vector index failed
    │   ├── MemoryLockedError         another process holds the folder
    │   ├── ClaimLostError            another process took over what this one was doing
    │   ├── MemoryNotFoundError       there is no memory at this place
    │   ├── FormatVersionError        the folder was written by a newer Tercet
    │   ├── CorruptMemoryError        what is on disk contradicts itself
    │   ├── DiskFullError             too little free space to write safely
    │   ├── EmbeddingCacheError       a file of cached vectors that is damaged, or cannot be used
    │   ├── VerdictCacheError         a file of cached verdicts that is damaged, or cannot be used
    │   └── ForkedProcessError        an engine handle was used in a forked child
    ├── ModelError                    a chat model gave no whole answer; it says what was spent all the same
    │   ├── ModelUnavailableError     out of reach, too slow, overloaded or broken
    │   ├── RateLimitedError          too many requests or tokens for now
    │   ├── RequestRefusedError       the service does not take this request, key or model
    │   ├── ModelRefusalError         the model declines to answer
    │   ├── IncompleteResponseError   an answer that did not come to its end
    │   ├── ContextWindowError        more tokens than the model can hold
    │   ├── MalformedResponseError    an answer that is not what the service documents
    │   ├── ModelBudgetError          the requests or tokens that were allowed are used up; nothing was sent
    │   └── ModelRequestsForbiddenError  requests to hosted models are switched off in this process
    ├── RunError                      a run of an agent failed; it says what was done and spent all the same
    │   ├── OutputError               the model gave no valid output, asked again too
    │   └── ReplayError               a run cannot be repeated, or went another way than the journal has it
    ├── LimitExceededError            a run may do or spend no more; nothing was begun
    ├── NothingChangedError           a tool says that it did not change what it was to change
    └── VectorError                   a vector or point that the index must not accept

Branches follow who can act: who configured, who gave the data, who runs the machine, who answers, who
set the limits.
A message names the thing and the reason; the remedy is an attribute of its own, and part of ``str(error)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from decimal import Decimal
    from typing import TypedDict, Unpack

    from tercet.records import Usage

    class _ModelErrorDetails(TypedDict, total=False):
        usage: Usage | None
        request_id: str | None
        retryable: bool
        retry_after: float | None
        remedy: str


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


class CounterUnavailableError(ConfigurationError):
    """A token counter cannot count: its ranks or its service are out of reach."""


class CredentialsError(ConfigurationError):
    """A hosted model was chosen and there is no key to reach it with."""


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


class BudgetError(InputError):
    """What must be kept whole needs more tokens than the budget has."""


class BackupError(InputError):
    """A backup is damaged, or the place to restore into is not empty."""


class ImportRefusedError(InputError):
    """An export is damaged, of an unknown version, or contradicts what the memory holds; nothing was imported.

    Args:
        message: What is wrong, and where.
        conflicts: Which records are kept otherwise than the export has them, and in what; a hundred at most.
        remedy: What to do next.
    """

    def __init__(self, message: str, *, conflicts: tuple[str, ...] = (), remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.conflicts = conflicts


class DocumentNotFoundError(InputError):
    """There is no working document, version or request of this name that the scope sees."""


class DocumentExistsError(InputError):
    """A working document under this key is there already."""


class SchemaError(InputError):
    """A value does not fit its schema, or was kept with another schema or another version of it."""


class PatchError(InputError):
    """A JSON Patch is malformed or does not apply; nothing was changed."""


class SizeLimitError(InputError):
    """More than a working document or its scope may hold; nothing was changed."""


class HashMismatchError(InputError):
    """What a reference leads to is not what its sender saw."""


class StateError(TercetError):
    """A write that the rules of shared state refuse; nothing was changed."""


class ConflictError(StateError):
    """A write was made from another version than the newest: somebody else wrote in between.

    Args:
        message: What happened.
        key: The document.
        read_version: The version that the writer had read.
        current_version: The newest version.
        read: The JSON of the version that was read; None where it was never there.
        current: The JSON of the newest version.
        patch: JSON Patch from the one to the other.
        remedy: What to do next.
    """

    def __init__(
        self,
        message: str,
        *,
        key: str,
        read_version: int,
        current_version: int,
        read: dict[str, Any] | None,
        current: dict[str, Any],
        patch: list[dict[str, Any]],
        remedy: str = "",
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.key = key
        self.read_version = read_version
        self.current_version = current_version
        self.read = read
        self.current = current
        self.patch = patch


class OwnershipError(StateError):
    """A write would change a field that another actor owns.

    Args:
        message: What happened.
        field: The top-level field.
        owner: Who owns it.
        actor: Who tried to change it.
        remedy: What to do next.
    """

    def __init__(self, message: str, *, field: str, owner: str, actor: str, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.field = field
        self.owner = owner
        self.actor = actor


class ConstraintError(StateError):
    """A write would change what was fixed when the document was created."""


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


class EmbeddingCacheError(StoreError):
    """A file of cached vectors is damaged, belongs to something else, or cannot be read or written."""


class VerdictCacheError(StoreError):
    """A file of cached verdicts is damaged, belongs to something else, or cannot be read or written."""


class ForkedProcessError(StoreError):
    """An engine handle opened in a parent process was used in a forked child."""


class ModelError(TercetError):
    """A chat model gave no whole answer.

    Args:
        message: What happened, to which model, and why.
        usage: What this attempt spent although it failed, as far as the service said.
        request_id: By which the service finds the request again.
        retryable: Whether the same request may succeed later.
        retry_after: Seconds after which the service wants to be asked again; None: it does not say.
        remedy: What to do next.

    Attributes:
        failed_usage: Of the attempts that failed before this one.
    """

    def __init__(
        self,
        message: str,
        *,
        usage: Usage | None = None,
        request_id: str | None = None,
        retryable: bool = False,
        retry_after: float | None = None,
        remedy: str = "",
    ) -> None:
        from tercet.records import Usage  # records imports this module

        super().__init__(message, remedy=remedy)
        self.usage = usage or Usage()
        self.failed_usage = Usage()
        self.request_id = request_id
        self.retryable = retryable
        self.retry_after = retry_after

    @property
    def total_usage(self) -> Usage:
        """Of this attempt and those that failed before it."""
        return self.usage + self.failed_usage


class ModelUnavailableError(ModelError):
    """The service is out of reach, too slow, overloaded or broken."""


class RateLimitedError(ModelError):
    """The service takes no more requests or tokens for now."""


class RequestRefusedError(ModelError):
    """The service does not take this request: its form, its size, the key, the account or the model."""


class ModelRefusalError(ModelError):
    """The model declines to answer.

    Args:
        message: What happened.
        category: The kind of harm that the service names; empty: none.
        details: The rest, as for ``ModelError``.
    """

    def __init__(self, message: str, *, category: str = "", **details: Unpack[_ModelErrorDetails]) -> None:
        super().__init__(message, **details)
        self.category = category


class IncompleteResponseError(ModelError):
    """An answer that did not come to its end; what there is of it is no answer.

    Args:
        message: What happened.
        reason: ``"max_tokens"``, ``"cut"``, or the stop reason that the service gave.
        partial_text: The text so far, for people and logs.
        details: The rest, as for ``ModelError``.
    """

    def __init__(
        self, message: str, *, reason: str, partial_text: str = "", **details: Unpack[_ModelErrorDetails]
    ) -> None:
        super().__init__(message, **details)
        self.reason = reason
        self.partial_text = partial_text


class ContextWindowError(ModelError):
    """The request, or the request with its answer, has more tokens than the model can hold."""


class MalformedResponseError(ModelError):
    """The service answered with something else than it documents."""


class ModelBudgetError(ModelError):
    """The requests or tokens that were allowed are used up; nothing was sent."""


class ModelRequestsForbiddenError(ModelError):
    """Requests to hosted models are switched off in this process; nothing was sent."""


class RunError(TercetError):
    """A run of an agent ended with an error.

    Args:
        message: Which agent, and why.
        remedy: What to do next.
        run: Id of the run: the journal has what was done and said until then.
        usage: What was spent, failed attempts included; None: nothing.
    """

    def __init__(self, message: str, *, remedy: str = "", run: str = "", usage: Usage | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.run = run
        self.usage = usage


class OutputError(RunError):
    """The model gave no valid output, although it was told what is wrong and asked again."""


class ReplayError(RunError):
    """A run cannot be repeated from the journal, or goes another way than the journal has it."""


class LimitExceededError(TercetError):
    """A run may do or spend no more of something; nothing was begun.

    Args:
        message: Which limit, and whose.
        which: What is limited, such as ``"tool_calls"``.
        consumed: How much is done and spent.
        reserved: How much more is promised to what is under way.
        limit: How much is allowed.
        agent: Whose limit it is.
        final: Whether it would be passed even if all that is under way came to nothing.
        remedy: What to do next.
    """

    def __init__(
        self,
        message: str,
        *,
        which: str,
        consumed: Decimal | float,
        reserved: Decimal | float,
        limit: Decimal | float,
        agent: str,
        final: bool = True,
        remedy: str = "",
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.which = which
        self.consumed = consumed
        self.reserved = reserved
        self.limit = limit
        self.agent = agent
        self.final = final


class NothingChangedError(TercetError):
    """For tools to raise: what the call was to change was not changed, and it may safely be made again.

    Any other exception out of a tool that changes something leaves in doubt whether it did.

    Args:
        message: Why not, for the model.
        retryable: Whether the same call may succeed later.
        remedy: What to do next.
    """

    def __init__(self, message: str, *, retryable: bool = False, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.retryable = retryable


class VectorError(TercetError):
    """A vector or point is malformed (shape, finiteness, ids, sparse arrays); nothing was written."""
