"""Random chat records for property tests."""

from __future__ import annotations

from hypothesis import strategies as st

from tercet.models.chat_records import (
    ChatMessage,
    ChatRequest,
    ChatResponse,
    Completed,
    ReasoningDelta,
    ReasoningPart,
    Restarted,
    SourcePart,
    SourceQuote,
    TextDelta,
    TextPart,
    ToolCallDelta,
    ToolCallPart,
    ToolDefinition,
    ToolResultPart,
)
from tercet.records import Usage

counts = st.integers(0, 2**40)
texts = st.text(max_size=20)
names = st.from_regex(r"[a-z][a-z_0-9]{0,9}", fullmatch=True)
said = st.text(min_size=1, max_size=20).filter(str.strip)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(texts, values, max_size=3)
usages = st.builds(Usage, **dict.fromkeys(Usage.__dataclass_fields__, counts))
quotes = st.builds(SourceQuote, source_id=texts, start_piece=counts, end_piece=counts, text=texts)
text_parts = st.builds(TextPart, text=texts, citations=st.lists(quotes, max_size=2).map(tuple))
source_parts = st.builds(SourcePart, id=said, source=said, title=said, pieces=st.lists(said, min_size=1).map(tuple))
tool_calls = st.builds(ToolCallPart, id=names, name=names, arguments=objects)
tool_results = st.builds(
    ToolResultPart, call_id=names, content=st.lists(text_parts | source_parts, max_size=3).map(tuple)
)
reasoning = st.builds(ReasoningPart, text=texts, signature=texts, redacted=st.booleans())
answer_parts = st.lists(text_parts | tool_calls | reasoning, max_size=3).map(tuple)
user_messages = st.builds(
    ChatMessage,
    role=st.just("user"),
    parts=st.lists(text_parts | source_parts | tool_results, max_size=3).map(tuple),
    cached=st.booleans(),
)
assistant_messages = st.builds(ChatMessage, role=st.just("assistant"), parts=answer_parts)
tools = st.builds(ToolDefinition, name=names, description=texts, parameters=objects, strict=st.booleans())
requests = st.builds(
    ChatRequest,
    messages=st.tuples(user_messages, st.lists(assistant_messages, max_size=2), user_messages).map(
        lambda found: (found[0], *found[1], found[2])
    ),
    instructions=texts,
    tools=st.lists(tools, max_size=3, unique_by=lambda tool: tool.name).map(tuple),
    parallel_tools=st.booleans(),
    output_schema=st.none() | objects,
    max_tokens=st.integers(1, 10**6),
    stop_sequences=st.lists(texts, max_size=2).map(tuple),
    effort=st.sampled_from([None, "low", "max"]),
    cached_prefix=st.booleans(),
)
responses = st.builds(
    ChatResponse,
    id=texts,
    model=texts,
    parts=answer_parts,
    stop_reason=st.sampled_from(["end_turn", "tool_use", "stop_sequence"]),
    usage=usages,
    stop_sequence=st.none() | texts,
    request_id=st.none() | texts,
    failed_usage=usages,
)
events = st.one_of(
    st.builds(TextDelta, part=counts, text=texts),
    st.builds(ReasoningDelta, part=counts, text=texts),
    st.builds(ToolCallDelta, part=counts, id=names, name=names, arguments=texts),
    st.builds(Restarted, reason=texts),
    st.builds(Completed, response=responses),
)
