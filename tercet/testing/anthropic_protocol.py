"""What the Anthropic service takes as a request, so that a stand-in for it refuses what the service would refuse.

The rules are those of https://platform.claude.com/docs/en/api/messages and of the pages on tool use, structured
outputs, search results, prompt caching and extended thinking, as far as Tercet's requests touch them. What is not
listed here is refused as unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, ValidationError

from tercet.testing.anthropic_replies import search_results

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength")
_MOST_BREAKPOINTS = 4


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("text content blocks must contain non-whitespace text")
    return text


Said = Annotated[str, AfterValidator(_said)]


class _Known(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _CacheControl(_Known):
    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] = "5m"


class _Cacheable(_Known):
    cache_control: _CacheControl | None = None


class _Text(_Cacheable):
    type: Literal["text"]
    text: Said
    citations: list[dict[str, Any]] | None = None


class _Enabled(_Known):
    enabled: bool


class _SearchResult(_Cacheable):
    type: Literal["search_result"]
    source: Said
    title: Said
    content: list[_Text] = Field(min_length=1)
    citations: _Enabled | None = None


class _ToolUse(_Cacheable):
    type: Literal["tool_use"]
    id: str = Field(pattern=r"^[a-zA-Z0-9_-]+$")
    name: str = Field(min_length=1)
    input: dict[str, Any]


class _ToolResult(_Cacheable):
    type: Literal["tool_result"]
    tool_use_id: str
    content: str | list[Annotated[_Text | _SearchResult, Discriminator("type")]] = ""
    is_error: bool = False


class _Thinking(_Known):
    type: Literal["thinking"]
    thinking: str
    signature: str


class _RedactedThinking(_Known):
    type: Literal["redacted_thinking"]
    data: str


class _UserMessage(_Known):
    role: Literal["user"]
    content: Said | list[Annotated[_Text | _SearchResult | _ToolResult, Discriminator("type")]] = Field(min_length=1)


class _AssistantMessage(_Known):
    role: Literal["assistant"]
    content: Said | list[Annotated[_Text | _ToolUse | _Thinking | _RedactedThinking, Discriminator("type")]] = Field(
        min_length=1
    )


class _Tool(_Cacheable):
    type: Literal["custom"] = "custom"
    name: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,128}$")
    description: str = ""
    input_schema: dict[str, Any]
    strict: bool = False


class _ToolChoice(_Known):
    type: Literal["auto", "any", "none"]
    disable_parallel_tool_use: bool = False


class _Format(_Known):
    type: Literal["json_schema"]
    schema_: dict[str, Any] = Field(alias="schema")


class _OutputConfig(_Known):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: _Format | None = None


class _Counted(_Known):
    model: str = Field(min_length=1)
    messages: list[Annotated[_UserMessage | _AssistantMessage, Discriminator("role")]] = Field(min_length=1)
    system: str | list[_Text] | None = None
    tools: list[_Tool] | None = None
    tool_choice: _ToolChoice | None = None
    output_config: _OutputConfig | None = None


class _Create(_Counted):
    max_tokens: int = Field(ge=1)
    stop_sequences: list[Said] | None = None
    stream: bool = False


def fault(request: object, *, counted: bool = False, signatures: Mapping[str, str] | None = None) -> str | None:
    """Why the service would refuse a request; None if it would take it.

    Args:
        request: The JSON of the body.
        counted: It goes to ``/v1/messages/count_tokens``.
        signatures: Reasoning that was given out, by its signature; other reasoning is refused.
    """
    try:
        (_Counted if counted else _Create).model_validate(request)
    except ValidationError as error:
        # Content is a string or a list: the error of the form that was meant lies deepest.
        first = max(error.errors(include_url=False), key=lambda one: len(one["loc"]))
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    assert isinstance(request, dict)
    return next(_faults(request, signatures or {}), None)


def _faults(request: dict[str, Any], signatures: Mapping[str, str]) -> Iterator[str]:
    yield from _turn_faults(request["messages"])
    yield from _tool_faults(request.get("tools") or [], request)
    marked = sum("cache_control" in block for block in _blocks(request))
    if marked > _MOST_BREAKPOINTS:
        yield f"A maximum of {_MOST_BREAKPOINTS} blocks with cache_control may be provided. Found {marked}."
    citing = [bool(result.get("citations", {}).get("enabled")) for result in search_results(request)]
    if len(set(citing)) > 1:
        yield "citations must be enabled for all search results or for none"
    schema = request.get("output_config", {}).get("format", {}).get("schema")
    if schema is not None:
        if any(citing):
            yield "citations cannot be used with output_config.format"
        yield from _schema_faults(schema, "output_config.format.schema")
    for number, message in enumerate(request["messages"]):
        for block in message["content"] if isinstance(message["content"], list) else ():
            if block["type"] == "thinking" and signatures.get(block["signature"]) != block["thinking"]:
                yield f"messages.{number}.content: Invalid `signature` in `thinking` block"


def _turn_faults(messages: list[dict[str, Any]]) -> Iterator[str]:
    if messages[0]["role"] != "user":
        yield "messages: first message must use the user role"
    if messages[-1]["role"] != "user":
        yield "messages: the conversation must end with a user message"
    open_calls: list[str] = []
    for number, message in enumerate(messages):
        blocks = message["content"] if isinstance(message["content"], list) else []
        kinds = [block["type"] for block in blocks]
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if missing := set(open_calls) - set(results):
            yield f"messages.{number}: tool_use ids without tool_result blocks immediately after: {sorted(missing)}"
        if unknown := set(results) - set(open_calls):
            yield f"messages.{number}: unexpected tool_use_id in tool_result blocks: {sorted(unknown)}"
        if len(results) != len(set(results)):
            yield f"messages.{number}: each tool_use must have a single result"
        if kinds[: len(results)] != ["tool_result"] * len(results):
            yield f"messages.{number}: tool_result blocks must come first"
        if kinds and kinds[-1] in ("thinking", "redacted_thinking"):
            yield f"messages.{number}: The final block in an assistant message cannot be `thinking`."
        open_calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
        if len(open_calls) != len(set(open_calls)):
            yield f"messages.{number}: tool_use ids must be unique"


def _tool_faults(tools: list[dict[str, Any]], request: dict[str, Any]) -> Iterator[str]:
    names = [tool["name"] for tool in tools]
    if len(names) != len(set(names)):
        yield "tools: Tool names must be unique."
    if not tools and "tool_choice" in request:
        yield "tool_choice may only be specified while providing tools"
    for number, tool in enumerate(tools):
        if tool["input_schema"].get("type") != "object":
            yield f"tools.{number}.input_schema.type: must be object"
        if tool.get("strict"):
            yield from _schema_faults(tool["input_schema"], f"tools.{number}.input_schema")


def _schema_faults(schema: object, place: str) -> Iterator[str]:
    if isinstance(schema, list):
        for number, one in enumerate(schema):
            yield from _schema_faults(one, f"{place}.{number}")
    elif isinstance(schema, dict):
        if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
            yield f"{place}: For 'object' type, 'additionalProperties' must be explicitly set to false"
        if unsupported := [bound for bound in _BOUNDS if isinstance(schema.get(bound), int | float)]:
            yield f"{place}: properties {unsupported} are not supported"
        for key, value in schema.items():
            yield from _schema_faults(value, f"{place}.{key}")


def _blocks(request: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from request.get("tools") or ()
    yield from request["system"] if isinstance(request.get("system"), list) else ()
    for message in request["messages"]:
        for block in message["content"] if isinstance(message["content"], list) else ():
            yield block
            if isinstance(block.get("content"), list):
                yield from block["content"]
