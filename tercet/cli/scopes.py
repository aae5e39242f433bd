"""The options that say whose records a command means, the same on every command that asks for them."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from tercet.errors import InputError
from tercet.records import AnyScope, Scope

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """What the options said."""

    tenant: Annotated[str | None, typer.Option("--tenant", metavar="T", help="Of this tenant.")] = None
    user: Annotated[str | None, typer.Option("--user", metavar="U", help="Of this user.")] = None
    agent: Annotated[str | None, typer.Option("--agent", metavar="A", help="Of this agent.")] = None
    session: Annotated[str | None, typer.Option("--session", metavar="S", help="Of this session.")] = None
    wider: Annotated[
        bool,
        typer.Option("--any", help="Of every scope with these fields, whatever its others are; alone: of everybody."),
    ] = False

    @property
    def said(self) -> bool:
        """Whether any of the options was given."""
        return self != UNSAID

    @property
    def scope(self) -> Scope | AnyScope:
        """The scope that is meant, or all that have its fields.

        Raises:
            InputError: A name is empty.
        """
        make = Scope.any if self.wider else Scope
        return make(tenant=self.tenant, user=self.user, agent=self.agent, session=self.session)

    def told(self, command: str) -> Scope | AnyScope:
        """The same, for a command where saying nothing would be a mistake.

        Raises:
            InputError: Nothing was said.
        """
        if not self.said:
            raise InputError(
                f"{command} was not told whose records.", remedy="Say --tenant, --user, --agent or --session, or --any."
            )
        return self.scope


UNSAID = Whose()


def with_scope(command: Callable[..., None]) -> Callable[..., None]:
    """Let the parameter ``whose: Whose`` of a command stand for one option for each field of ``Whose``.

    Typer knows no options that belong together, so the command is shown to it with those in the parameter's place.
    """
    hints = get_type_hints(Whose, include_extras=True)
    options = [
        inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=hints[one.name])
        for one in fields(Whose)
    ]
    shown: list[inspect.Parameter] = []
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        shown += options if parameter.name == "whose" else [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)]

    @functools.wraps(command)
    def run(**given: Any) -> None:  # noqa: ANN401  # each option has a type of its own
        whose = Whose(**{one.name: given.pop(one.name) for one in options})
        command(whose=whose, **given)

    run.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]  # functions may have one; PEP 362
    run.__annotations__ = {one.name: one.annotation for one in shown}
    return run
