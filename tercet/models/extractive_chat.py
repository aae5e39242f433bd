"""A chat model that works offline: it answers by quoting the sources, and says nothing of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tercet.errors import ConfigurationError, RequestRefusedError
from tercet.models.chat import stream_of
from tercet.models.chat_records import ChatResponse, SourceQuote, TextPart, ToolCallPart
from tercet.models.lexical import Analyzer
from tercet.models.quotation import choose_quotes, sentences_of
from tercet.records import Usage
from tercet.settings import LexicalConfig

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from tercet.models.chat_records import AnswerPart, ChatEvent, ChatRequest, ToolDefinition

FINISH, IMPOSSIBLE = "finish", "impossible"
"""The tools by which an agent's task is completed, as every agent offers them."""


class ExtractiveModel:
    """Answers with the sentences of the sources that share most with the question, word for word, each cited.

    The question is what the user said last in words. Where no sentence fits, the answer is empty. It costs no tokens
    and heeds no instructions. Of tools it knows ``finish``, by which an agent's task is completed, and ``impossible``:
    where it is offered both it also calls one of them.

    Args:
        quotes: How many sentences an answer has at most.
        lexical: How words are found.

    Raises:
        ConfigurationError: It may quote nothing.

    Example:
        >>> import asyncio
        >>> from tercet.models.chat_records import ChatMessage, ChatRequest, SourcePart
        >>> source = SourcePart(id="c1", source="keys.md", title="Keys", pieces=("Keys rotate every 90 days.",))
        >>> asked = ChatMessage(role="user", parts=(source, TextPart(text="How often do keys rotate?")))
        >>> answer = asyncio.run(ExtractiveModel().respond(ChatRequest(messages=(asked,))))
        >>> answer.text, answer.citations[0].source_id
        ('Keys rotate every 90 days.', 'c1')
    """

    name = "extractive"

    def __init__(self, *, quotes: int = 3, lexical: LexicalConfig | None = None) -> None:
        if quotes < 1:
            raise ConfigurationError(f"an answer of {quotes} quotes is none.", remedy="Allow at least 1.")
        self._quotes = quotes
        self._analyzer = Analyzer(lexical or LexicalConfig())

    async def respond(self, request: ChatRequest) -> ChatResponse:
        """The quotes, one a line.

        Raises:
            RequestRefusedError: The request wants another tool called, or JSON.
        """
        finishes = {tool.name: tool for tool in request.tools if tool.name in (FINISH, IMPOSSIBLE)}
        wants_text = _takes_text(finishes[FINISH]) if len(finishes) == 2 else request.tool_choice != "required"
        if not wants_text or request.output_schema is not None:
            raise RequestRefusedError(
                f"{self.name} only quotes: it neither calls tools nor writes JSON.",
                remedy="Choose a hosted model, such as 'claude-…'.",
            )
        asked = next(
            (message.text for message in reversed(request.messages) if message.role == "user" and message.text.strip()),
            "",
        )
        quotes = self._quotes_for(asked, request)
        parts: list[AnswerPart] = [
            TextPart(text=text + "\n" * (place < len(quotes)), citations=(quote,))
            for place, (text, quote) in enumerate(quotes, start=1)
        ]
        if finishes:
            parts.append(self._finish(asked, quotes) if quotes else _give_up())
        return ChatResponse(
            id=self.name,
            model=self.name,
            parts=tuple(parts),
            stop_reason="tool_use" if finishes else "end_turn",
            usage=Usage(),
        )

    def _quotes_for(self, asked: str, request: ChatRequest) -> list[tuple[str, SourceQuote]]:
        passages = [
            (source, number, text)
            for source in request.sources
            for number, piece in enumerate(source.pieces)
            for _, text in sentences_of(piece)
        ]
        chosen = choose_quotes(asked, [text for _, _, text in passages], analyzer=self._analyzer, limit=self._quotes)
        return [
            (
                text,
                SourceQuote(source_id=source.id, start_piece=number, end_piece=number + 1, text=source.pieces[number]),
            )
            for source, number, text in (passages[index] for index, _ in chosen)
        ]

    def _finish(self, asked: str, quotes: Sequence[tuple[str, SourceQuote]]) -> ToolCallPart:
        terms = set(self._analyzer.terms(asked))
        shared = terms & {term for text, _ in quotes for term in self._analyzer.terms(text)}
        return ToolCallPart(
            id=FINISH,
            name=FINISH,
            arguments={
                "text": "\n".join(f"{' '.join(text.split())} [{quote.source_id}]" for text, quote in quotes),
                "confidence": round(len(shared) / len(terms), 2),
                "citations": list(dict.fromkeys(quote.source_id for _, quote in quotes)),
            },
        )

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """The quotes, as events."""
        for event in stream_of(await self.respond(request)):
            yield event

    async def aclose(self) -> None:
        """Nothing is open."""


def _takes_text(finish: ToolDefinition) -> bool:
    return "text" in finish.parameters.get("properties", {})


def _give_up() -> ToolCallPart:
    arguments = {
        "reason": "Nothing relevant was found.",
        "evidence": ["No sentence of the sources holds enough of the words of the question."],
    }
    return ToolCallPart(id=IMPOSSIBLE, name=IMPOSSIBLE, arguments=arguments)
