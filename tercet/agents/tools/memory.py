"""Tools by which an agent looks into its memory and writes to it, on behalf of the scope that it runs for.

The scope comes from the run and is nothing that a model can say. What is found carries the least trust of the records
that it is made of and of the query by which they were chosen; what is written is trusted no more than what it was made
from. So a text that an outsider planted in one run is still an outsider's text in the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from tercet.agents.tools.decorator import tool
from tercet.agents.tools.passages import MAX_CHARACTERS, document_source, episode_source, within
from tercet.agents.tools.records import ToolContext, ToolOutput
from tercet.agents.trust import TRUSTED
from tercet.errors import (
    DocumentNotFoundError,
    InputError,
    MemoryLockedError,
    NothingChangedError,
    OwnershipError,
    StateError,
)
from tercet.memory.patches import canonical, resolve, top_level_field
from tercet.memory.working.records import least_trust
from tercet.memory.working.schemas import schema_name
from tercet.records import DocumentFilter
from tercet.retrieval.episodic import EpisodicRetriever
from tercet.retrieval.semantic import SemanticRetriever

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tercet.agents.tools.records import Tool
    from tercet.memory.memory import Memory
    from tercet.memory.working.records import WorkingDocument
    from tercet.models.chat_records import SourcePart
    from tercet.records import Citation, Trust

Context = ToolContext[Any]

_LONGEST_REASON = 1_000

Query = Annotated[str, Field(min_length=1, max_length=2_000, description="What to look for, in a few words.")]
Count = Annotated[int, Field(ge=1, le=20, description="How many at most.")]
Key = Annotated[str, Field(min_length=1, max_length=200, description="Name of the document.")]


class PatchOperation(BaseModel):
    """One operation of a JSON Patch (RFC 6902). Moving and copying are left out: they can be said with these."""

    model_config = ConfigDict(extra="forbid")

    op: Literal["add", "remove", "replace", "test"]
    path: Annotated[str, Field(description='JSON Pointer, such as "/steps/-".')]
    value: JsonValue = None


def memory_tools(
    memory: Memory, *, corpus: Sequence[str] = (), schemas: Sequence[type[BaseModel]] = ()
) -> tuple[Tool[Any], ...]:
    """The tools for a memory.

    Args:
        memory: What is searched and written to.
        corpus: Names of the corpora that may be searched; empty: all.
        schemas: Models of the working documents that may be changed; without any there is no ``patch_state``.

    Returns:
        ``search_documents``, ``search_episodes``, ``read_state``, ``record_episode``, and perhaps ``patch_state``.

    Example:
        >>> from tercet import Memory
        >>> with Memory.open("my-memory", embedder="none") as memory:
        ...     [(one.name, one.effect) for one in memory_tools(memory)]
        [('search_documents', 'read'), ('search_episodes', 'read'), ('read_state', 'read'), ('record_episode', 'write')]
    """
    made = (
        search_documents(memory, corpus=corpus),
        search_episodes(memory),
        read_state(memory),
        record_episode(memory),
    )
    return (*made, patch_state(memory, schemas)) if schemas else made


def search_documents(memory: Memory, *, corpus: Sequence[str] = ()) -> Tool[Any]:
    """The tool that searches semantic memory: documents of the run's tenant, and those of no tenant."""
    retriever = SemanticRetriever(memory.semantic)
    reads = [f"semantic:{name}" for name in corpus] or ["semantic:*"]

    @tool(effect="read", reads=reads, name="search_documents")
    def search(context: Context, query: Query, limit: Count = 5) -> ToolOutput:
        """Search the documentation. Gives passages that can be cited."""
        where = DocumentFilter(corpus=tuple(corpus), tenant=context.scope.tenant)
        result = retriever.search(query, limit=limit, where=where)
        found = [(document_source(hit), hit.provenance.trust) for hit in result]
        return _told(context, found, degraded=result.degraded, citations={hit.chunk_id: hit.citation for hit in result})

    return search


def search_episodes(memory: Memory) -> Tool[Any]:
    """The tool that searches episodic memory: what the run's scope sees."""
    retriever = EpisodicRetriever(memory.episodic)

    @tool(effect="read", reads=["episodic"], name="search_episodes")
    def search(context: Context, query: Query, limit: Count = 5) -> ToolOutput:
        """Search what happened and what was said before. Gives records that can be cited."""
        result = retriever.search(query, scope=context.scope, limit=limit)
        found = [(episode_source(hit), hit.provenance.trust) for hit in result]
        return _told(context, found, degraded=result.degraded)

    return search


def read_state(memory: Memory) -> Tool[Any]:
    """The tool that reads working memory: documents that the run's scope sees, the closest one of a name."""

    @tool(effect="read", reads=["working"], name="read_state")
    def read(
        context: Context,
        key: Key,
        path: Annotated[str, Field(description='JSON Pointer into it, such as "/steps/0"; empty: all of it.')] = "",
    ) -> ToolOutput:
        """Read a document of the task's state, or a place in it, exactly as it is now."""
        try:
            document = memory.working.read(None, key=key, scope=context.scope)
            there, value = resolve(document.value, path)
        except DocumentNotFoundError:
            return ToolOutput(value={"found": False, "reason": "There is no such document."}, trust=context.trust)
        except InputError as error:
            return ToolOutput(value={"found": False, "reason": str(error)}, trust=context.trust)
        trust = least_trust((context.trust, _trust_at(document, path)))
        if not there:
            return ToolOutput(value={"found": False, "reason": "It has no such place."}, trust=trust)
        if len(canonical(value)) > MAX_CHARACTERS:
            reason = f"There are more than {MAX_CHARACTERS:,} characters. Read a place in it: {_places(value, path)}."
            return ToolOutput(value={"found": False, "reason": reason}, trust=trust)
        return ToolOutput(value={"found": True, "version": document.version, "value": value}, trust=trust)

    return read


def patch_state(memory: Memory, schemas: Sequence[type[BaseModel]]) -> Tool[Any]:
    """The tool that changes working memory: documents of exactly the run's scope, of some schemas.

    What was written by the system or a user is not changed in a run that has seen texts of less trust. Owners and
    constraints are those of working memory, and the agent is the actor.

    Args:
        memory: What is changed.
        schemas: Models of the documents that may be.
    """
    models = {schema_name(model): model for model in schemas}

    @tool(effect="write", writes=["working"], content=["key", "version", "operations"], name="patch_state")
    def patch(
        context: Context,
        key: Key,
        version: Annotated[
            int, Field(ge=1, description="That read_state gave; if it is out of date, nothing changes.")
        ],
        operations: Annotated[list[PatchOperation], Field(min_length=1, max_length=50)],
    ) -> ToolOutput:
        """Change a document of the task's state by JSON Patch: all operations apply, or none."""
        trust = _written_trust(context)
        try:
            document = memory.working.read(None, key=key, scope=context.scope)
        except DocumentNotFoundError:
            return ToolOutput(value={"changed": False, "reason": "There is no such document."}, trust=trust)
        changes = [one.model_dump(exclude={"value"} if one.op == "remove" else None) for one in operations]
        try:
            model = _changeable(document, models, context)
            for change in (one for one in changes if one["op"] != "test"):
                _check_may_write(document, change["path"], trust, context.agent)
            made = memory.working.patch(
                model, changes, key=key, scope=context.scope, read_version=version, actor=context.agent, trust=trust
            )
        except (InputError, StateError) as error:  # nothing was changed; that is no failure of the tool
            told = least_trust((document.trust, context.trust))
            return ToolOutput(value={"changed": False, "reason": str(error)[:_LONGEST_REASON]}, trust=told)
        return ToolOutput(value={"changed": True, "version": made.version}, trust=trust)

    return patch


def record_episode(memory: Memory) -> Tool[Any]:
    """The tool that adds to episodic memory, in the run's scope.

    It only adds: facts, which supersede others, are not among the kinds. So a text of low trust displaces nothing.
    """

    @tool(effect="write", writes=["episodic"], content=["text", "kind", "outcome"], name="record_episode")
    def record(
        context: Context,
        text: Annotated[str, Field(min_length=1, max_length=4_000, description="To be understood by itself.")],
        kind: Annotated[
            Literal["event", "outcome"], Field(description="How a task ended, or anything else.")
        ] = "event",
        outcome: Annotated[str, Field(max_length=200, description='Such as "resolved".')] = "",
    ) -> ToolOutput:
        """Remember something for later runs: what happened, or how a task ended."""
        trust = _written_trust(context)
        try:
            made = memory.episodic.record(
                text,
                scope=context.scope,
                actor=context.agent,
                kind=kind,
                outcome=outcome,
                trust=trust,
            )
        except (InputError, MemoryLockedError) as error:
            raise NothingChangedError(
                error.message, retryable=isinstance(error, MemoryLockedError), remedy=error.remedy
            ) from error
        return ToolOutput(value={"id": made.id, "status": made.status}, trust=trust)

    return record


def _written_trust(context: Context) -> Trust:
    """A model writes with the trust of what it was given, and never as the system."""
    return least_trust((context.trust, "user"))


def _told(
    context: Context,
    found: Sequence[tuple[SourcePart | None, Trust]],
    *,
    degraded: Sequence[str],
    citations: Mapping[str, Citation] | None = None,
) -> ToolOutput:
    readable = [(source, trust) for source, trust in found if source is not None]
    kept, shortened = within([source for source, _ in readable], MAX_CHARACTERS)
    trusts = [trust for _, trust in readable[: len(kept)]]
    value: dict[str, Any] = {"found": len(kept)}
    if shortened:
        value["shortened"] = True
    if degraded:
        value["degraded"] = list(degraded)
    cited = {source.id: citations[source.id] for source in kept} if citations else {}
    return ToolOutput(value=value, sources=tuple(kept), citations=cited, trust=least_trust((context.trust, *trusts)))


def _changeable(
    document: WorkingDocument[Any], models: Mapping[str, type[BaseModel]], context: Context
) -> type[BaseModel]:
    if document.scope != context.scope or document.schema not in models:
        raise InputError(f"{document.key!r} may be read here and not changed.", remedy="Leave it as it is.")
    return models[document.schema]


def _trust_at(document: WorkingDocument[Any], path: str) -> Trust:
    field = top_level_field(path)
    return document.trusts.get(field, document.trust) if field is not None else document.trust


def _check_may_write(document: WorkingDocument[Any], path: str, trust: Trust, agent: str) -> None:
    """What is trusted is not changed by what is not (Biba's integrity model: no write up)."""
    field = top_level_field(path)
    for name in document.trusts if field is None else (field,):
        if document.trusts.get(name) in TRUSTED and trust not in TRUSTED:
            raise OwnershipError(
                f"{name!r} of {document.key!r} is trusted as {document.trusts[name]}, and what this run would write "
                f"there only as {trust}.",
                field=name,
                owner=document.owners[name],
                actor=agent,
                remedy=f"Ask {document.owners[name]!r} to change it, or write to another field.",
            )


def _places(value: Any, path: str) -> str:  # noqa: ANN401 -- JSON
    names = list(value)[:5] if isinstance(value, dict) else ["0"]
    return ", ".join(f"{path}/{str(name).replace('~', '~0').replace('/', '~1')}" for name in names)
