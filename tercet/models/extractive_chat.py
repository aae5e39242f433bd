"""A chat model that works offline: it answers by quoting the sources, and says nothing of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tercet.errors import ConfigurationError, RequestRefusedError
from tercet.models.chat import stream_of
from tercet.models.chat_records import ChatResponse, SourceQuote, TextPart
from tercet.models.lexical import Analyzer
from tercet.models.quotation import choose_quotes, sentences_of
from tercet.records import Usage
from tercet.settings import LexicalConfig

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tercet.models.chat_records import ChatEvent, ChatRequest


class ExtractiveModel:
    """Answers with the sentences of the sources that share most with the question, word for word, each cited.

    The question is what the user said last in words. Where no sentence fits, the answer is empty. It costs no tokens,
    calls no tools, and heeds no instructions.

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
            RequestRefusedError: The request wants a tool called, or JSON.
        """
        if request.tool_choice == "required" or request.output_schema is not None:
            raise RequestRefusedError(
                f"{self.name} only quotes: it neither calls tools nor writes JSON.",
                remedy="Choose a hosted model, such as 'claude-…'.",
            )
        asked = next(
            (message.text for message in reversed(request.messages) if message.role == "user" and message.text.strip()),
            "",
        )
        passages = [
            (source, number, text)
            for source in request.sources
            for number, piece in enumerate(source.pieces)
            for _, text in sentences_of(piece)
        ]
        texts = [text for _, _, text in passages]
        chosen = choose_quotes(asked, texts, analyzer=self._analyzer, limit=self._quotes)
        parts = []
        for place, (index, _) in enumerate(chosen, start=1):
            source, number, text = passages[index]
            quote = SourceQuote(
                source_id=source.id, start_piece=number, end_piece=number + 1, text=source.pieces[number]
            )
            parts.append(TextPart(text=text + "\n" * (place < len(chosen)), citations=(quote,)))
        return ChatResponse(id=self.name, model=self.name, parts=tuple(parts), stop_reason="end_turn", usage=Usage())

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """The quotes, as events."""
        for event in stream_of(await self.respond(request)):
            yield event

    async def aclose(self) -> None:
        """Nothing is open."""
