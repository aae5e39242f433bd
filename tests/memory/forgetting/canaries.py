"""A memory with a random word in every place that can hold text, and a search for those words in every byte it kept.

What is searched for is half a word, or a few components of a vector: a database may cut a value at the end of a page.
"""

from __future__ import annotations

import random
import string
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from tercet import Document, DocumentFilter, Memory, Scope, SemanticRetriever, Turn, ingest
from tercet.memory.journal.records import NewEvent, NewRun
from tercet.testing import HashEmbedder
from tercet.testing.journal_records import payment, question

DIMENSION = 96
HALF = 10
_GAP = b"\0" * 64
NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)


class Plan(BaseModel):
    goal: str
    steps: list[str] = []


class Canaries:
    """Random words by the place they are put in; the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.words: dict[str, str] = {}

    def __call__(self, place: str) -> str:
        if place not in self.words:
            self.words[place] = "".join(self._random.choices(string.ascii_lowercase, k=2 * HALF))
        return self.words[place]

    def needles(self) -> Iterator[tuple[str, bytes]]:
        for place, word in self.words.items():
            for half in (word[:HALF], word[HALF:]):
                for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
                    yield f"{place} as {encoding}", half.encode(encoding)


def vector_needles(vectors: Iterable[NDArray[np.float32]]) -> Iterator[tuple[str, bytes]]:
    """Runs of 16 bytes: four components as float32, eight as float16."""
    for vector in vectors:
        for kind, size in (("<f4", 4), ("<f2", 8)):
            for start in range(0, len(vector) - size + 1, size):
                yield f"vector as {kind}", vector[start : start + size].astype(kind).tobytes()


def hits(folder: Path, needles: Iterable[tuple[str, bytes]]) -> set[str]:
    """Which needles are in which files of a folder, names of files included."""
    contents = {file: _written(file) for file in folder.rglob("*") if file.is_file()}
    contents |= {file.with_name(file.name + " (name)"): str(file).encode() for file in folder.rglob("*")}
    return {
        f"{what} in {file.relative_to(folder)}"
        for what, needle in needles
        for file, content in contents.items()
        if needle in content
    }


def _written(file: Path) -> bytes:
    """The bytes of a file with its long empty stretches cut short: the engine's log is 32 MB of zeros."""
    kept, empty = [], b"\0" * 4096
    with file.open("rb") as stream:
        while block := stream.read(4096):
            if block != empty:
                kept.append(block)
            elif not kept or kept[-1] is not _GAP:
                kept.append(_GAP)
    return b"".join(kept)


def found_in(found: set[str]) -> set[str]:
    """The places and kinds of hits, without the files."""
    return {one.partition(" in ")[0] for one in found}


def open_memory(folder: Path) -> Memory:
    return Memory.open(folder, embedder=HashEmbedder(dimension=DIMENSION))


def fill(memory: Memory, word: Canaries, scope: Scope) -> list[str]:
    """Records of one person in every shape there is; returns the ids of the turns."""
    narrower = Scope(tenant=scope.tenant, user=scope.user, session=word("session"))
    record = memory.episodic.record
    for number in range(3):
        record(
            f"Living in {word('fact')} since {number} years",
            scope=scope,
            actor=word("actor"),
            kind="fact",
            subject=word("subject"),
            entities=[word("entity")],
            occurred_at=NOON + timedelta(days=number),
            metadata={word("metadata key"): [word("metadata"), "x"]},
        )
    done = record(f"Ended as {word('event')}", scope=narrower, actor="ada", kind="outcome", outcome=word("outcome"))
    wrong = record(f"Never said {word('retracted')}", scope=scope, actor="ada", kind="fact")
    event = memory.episodic.retract(wrong.id, scope=scope, actor=word("retractor"), reason=word("reason"))
    memory.episodic.undo(event, scope=scope, reason=word("undo reason"))
    turns = memory.episodic.record_turns(
        [Turn(actor="ada", text=f"Turn {n} about {word('turn')}", entities=(word("turn entity"),)) for n in range(4)],
        scope=scope,
        conversation=word("conversation"),
    )
    memory.episodic.consolidate(scope, summarize=lambda turns: f"They spoke of {word('summary')}: {turns[0].text}")
    record(f"So {word('derived')} it is", scope=narrower, actor="model", derived_from=[turns[0], done.id])
    plan = memory.working.create(
        Plan(goal=word("goal")),
        key=word("key"),
        scope=scope,
        actor="planner",
        owners={"goal": "planner", "steps": "writer"},
    )
    for number in range(3):
        plan = memory.working.patch(
            Plan,
            [{"op": "add", "path": "/steps/-", "value": f"{word('step')} {number}"}],
            key=word("key"),
            scope=scope,
            read_version=plan.version,
            actor="writer",
        )
    memory.working.request_change(
        Plan,
        [{"op": "replace", "path": "/goal", "value": word("request")}],
        key=word("key"),
        scope=scope,
        read_version=plan.version,
        actor="writer",
        reason=word("request reason"),
    )
    old = memory.working.create(Plan(goal=word("old goal")), key=word("old key"), scope=narrower, actor="planner")
    memory.working.delete(key=word("old key"), scope=narrower, read_version=old.version, actor="planner")
    fill_journal(memory, word, scope, narrower)
    return turns


def fill_journal(memory: Memory, word: Canaries, *scopes: Scope) -> None:
    """A run with an effect and two approvals in each scope."""
    for number, scope in enumerate(scopes):
        run, journal = f"run-{number}", memory.journal
        spoken = NewEvent(
            kind="said", body=f'{{"said":"{word("body")}"}}', texts=(word("message"), word("answer")), at=NOON
        )
        begun = journal.begin(NewRun(id=run, scope=scope, agent="helper"), [spoken])
        journal.append(run, [spoken], after=begun.events)
        paid = payment(run, run=run, scope=scope, arguments_hash=word("effect's hash"))
        journal.reserve(paid, ceilings=(), at=NOON)
        journal.settle(run, state="done", result=word("result"), reason=word("doubt"), at=NOON)
        for approval in (f"{run} open", f"{run} used"):
            asked = question(
                approval,
                run=run,
                scope=scope,
                arguments=word("arguments"),
                arguments_hash=word("arguments' hash"),
                evidence=word("evidence"),
                reason=word("asked because"),
            )
            journal.ask(asked, at=NOON)
        journal.decide(
            f"{run} used",
            approved=True,
            approver="eve",
            edited_arguments=word("edited"),
            answer=word("approver's answer"),
            at=NOON,
        )
        journal.use(f"{run} used", at=NOON)


def fill_documents(memory: Memory, word: Canaries, corpus: str, tenant: str = "") -> None:
    """Documents of one corpus, one of them in two versions."""
    for version in ("before", "now"):
        ingest(
            documents=[
                Document(
                    uri=f"{word('uri')}/a.md",
                    text=f"# {word('heading')}\n\nRotate {word(f'text {version}')} every day.\n",
                    title=word("title"),
                    metadata={"team": word("document metadata")},
                ),
                Document(uri="plain", text=f"Nothing but {word('plain text')}, said at length. " * 20),
            ],
            into=memory,
            corpus=corpus,
            tenant=tenant,
        )


def fill_neighbour(memory: Memory, name: str) -> None:
    """What must stay as it is."""
    scope = Scope(tenant="beta", user=name)
    for number in range(4):
        memory.episodic.record(
            f"{name} takes tea number {number}", scope=scope, actor=name, kind="fact", entities=[f"{name}-cup"]
        )
    memory.working.create(Plan(goal=f"{name} brews"), key="plan", scope=scope, actor=name)
    said = NewEvent(kind="said", body=f'{{"by":"{name}"}}', texts=(f"{name} asks for tea",), at=NOON)
    memory.journal.begin(NewRun(id=name, scope=scope, agent="helper"), [said])
    memory.journal.reserve(payment(name, run=name, scope=scope), ceilings=(), at=NOON)
    memory.journal.ask(question(name, run=name, scope=scope), at=NOON)
    ingest(
        documents=[Document(uri=f"{name}.md", text=f"# Tea\n\n{name} pours tea slowly.\n\n## Cups\n\nBlue cups.\n")],
        into=memory,
        corpus="tea",
        tenant="beta",
    )


def neighbour(memory: Memory, name: str) -> object:
    """All that a reader of the neighbour finds, with its scores."""
    scope = Scope(tenant="beta", user=name)
    selection = memory.episodic.select(scope)
    terms = dict.fromkeys(memory.episodic.analyzer.terms(f"{name} tea"), 1)
    vector = memory.embedder.embed_query("tea number 2")
    hits = SemanticRetriever(memory.semantic).search(
        "slowly pours tea", where=DocumentFilter(corpus=("tea",), tenant="beta")
    )
    return (
        memory.episodic.lexical_candidates(terms, selection, limit=10),
        memory.episodic.dense_candidates(vector, selection, limit=10),
        memory.episodic.timeline(scope),
        memory.working.read(Plan, key="plan", scope=scope),
        memory.journal.runs(scope=scope),
        memory.journal.events(name),
        memory.journal.effects(scope=scope),
        memory.journal.approvals(scope=scope, at=NOON),
        [(hit.text, hit.score) for hit in hits],
        hits.degraded,
    )


def vectors_of(memory: Memory, scope: Scope, corpora: Iterable[str], tenant: str = "") -> list[NDArray[np.float32]]:
    """The dense vectors of what will be forgotten."""
    wide = Scope.any(tenant=scope.tenant, user=scope.user)
    selection = memory.episodic.select(wide, include_superseded=True)
    near = memory.episodic.dense_candidates(memory.embedder.embed_query("x"), selection, limit=1000)
    contents = memory.episodic.contents([one.row for one in near]).values()
    found = [vector for _, vector in contents if vector is not None]
    chosen = memory.semantic.select(DocumentFilter(corpus=tuple(corpora), tenant=tenant or None))
    chunks = memory.semantic.dense_candidates(memory.embedder.embed_query("x"), chosen, limit=1000)
    return found + list(memory.semantic.vectors([one.row for one in chunks]).values())
