"""The ledger of effects in SQL."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, case, delete, func, insert, null, or_, select, update

from tercet.memory.journal.checks import (
    BILLION,
    checked_effect,
    checked_settlement,
    first_exceeded,
    microseconds,
    unsettled,
    window_start,
)
from tercet.memory.journal.records import EffectRecord, Reservation
from tercet.memory.journal.statements import Part, Statement
from tercet.memory.journal.visible import scope_in, visible, with_scope
from tercet.memory.schema import effect_amounts, effects
from tercet.memory.working.records import from_microseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy import BindParameter, ClauseElement, Connection

    from tercet.memory.database import Database
    from tercet.memory.journal.records import Ceiling, EffectState, NewEffect
    from tercet.records import AnyScope, Scope

_UNSET = ("id", "result", "finished_at", "erased_at")
"""Columns of an effect that has just started."""

_OPEN = ("started", "in_doubt")


class Effects(Part):
    """The part of the journal that keeps effects."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        super().__init__(database, clock=clock)
        columns = effects.c
        key: BindParameter[Any] = bindparam("key")
        row: BindParameter[Any] = bindparam("row")
        given = [one.name for one in columns if one.name not in _UNSET]
        add = insert(effects).returning(columns.id)
        self._add_effect = Statement(database, add, columns=given)
        self._add_amounts = Statement(database, insert(effect_amounts))
        cleared = {"result": null(), "finished_at": null(), "erased_at": null()}
        again = (
            update(effects)
            .where(columns.id == row)
            .values(**cleared, **{name: bindparam(name) for name in given if name != "key"})
        )
        self._start_again = Statement(database, again)
        self._remove_amounts = Statement(database, delete(effect_amounts).where(effect_amounts.c.effect_id == row))
        query = with_scope(effects).where(columns.key == key)
        self._read_effect = Statement(database, query)
        self._read_effect_for_writing = Statement(database, query.with_for_update(of=effects))
        query = select(effect_amounts.c.measure, effect_amounts.c.amount).where(effect_amounts.c.effect_id == row)
        self._read_amounts = Statement(database, query)
        self._settle = Statement(database, _settling())
        self._spent = Statement(database, _adding_up())

    def reserve(self, effect: NewEffect, *, ceilings: Sequence[Ceiling], at: datetime) -> Reservation:
        """See ``Journal.reserve``."""
        amounts = checked_effect(effect, ceilings)
        moment = microseconds(at)
        tenant = effect.scope.tenant or ""
        with self._database.write() as connection:
            self._take_turns(connection, tenant, effect.agent, effect.key)
            row = self._read_effect_for_writing.first(connection, key=effect.key)
            if row is not None and row.state != "failed":
                return Reservation(effect=self._with_amounts(connection, row))
            exceeded, total = first_exceeded(
                ceilings, effect, lambda ceiling: self._window(connection, ceiling, tenant, effect.agent, moment)
            )
            if exceeded is not None:
                return Reservation(effect=None, exceeded=exceeded, total=total)
            values = {
                "run": effect.run,
                "call": effect.call,
                "agent": effect.agent,
                "tool": effect.tool,
                "scope_id": self._place(connection, effect.scope),
                "tenant": tenant,
                "arguments_hash": effect.arguments_hash,
                "state": "started",
                "reason": "",
                "started_at": moment,
            }
            number = self._start(connection, effect.key, None if row is None else row.id, values)
            whole = ((name, str(effect.amounts[name]), *divmod(value, BILLION)) for name, value in amounts.items())
            self._add_amounts.change_rows(connection, [(number, *one) for one in whole])
        record = EffectRecord(
            key=effect.key,
            run=effect.run,
            call=effect.call,
            agent=effect.agent,
            tool=effect.tool,
            scope=effect.scope,
            arguments_hash=effect.arguments_hash,
            amounts=dict(effect.amounts),
            state="started",
            result=None,
            started_at=from_microseconds(moment),
            finished_at=None,
        )
        return Reservation(effect=record, new=True, total=total)

    def _take_turns(self, connection: Connection, tenant: str, agent: str, key: str) -> None:
        """PostgreSQL: who adds up the same window or wants the same effect waits; SQLite has one writer anyway."""
        if self._database.dialect == "postgresql":
            names = (f"agent\0{tenant}\0{agent}", f"effect\0{key}")
            digests = (blake2b(name.encode(), digest_size=8).digest() for name in names)
            for lock in sorted(int.from_bytes(digest, "big", signed=True) for digest in digests):  # in one order
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({lock})")

    def _window(self, connection: Connection, ceiling: Ceiling, tenant: str, agent: str, at: int) -> int:
        """What a ceiling's window adds up to, in billionths."""
        spent = 0
        values = {"tenant": tenant, "agent": agent, "since": window_start(ceiling, at), "measure": ceiling.measure}
        for tool in dict.fromkeys(ceiling.tools):
            row = self._spent.first(connection, tool=tool, **values)
            spent += int(row.whole) * BILLION + int(row.billionths)
        return spent

    def _start(self, connection: Connection, key: str, row: int | None, values: dict[str, Any]) -> int:
        """Put an effect down, anew or again."""
        if row is None:
            return int(self._add_effect.first(connection, key=key, **values).id)
        self._start_again.change(connection, row=row, **values)
        self._remove_amounts.change(connection, row=row)
        return row

    def settle(self, key: str, *, state: EffectState, result: str | None, reason: str = "", at: datetime) -> None:
        """See ``Journal.settle``."""
        checked_settlement(state, result, reason)
        values = {"new_state": state, "new_result": result, "new_reason": reason, "finished_at": microseconds(at)}
        with self._database.write() as connection:
            if self._settle.change(connection, key=key, **values) == 0:
                row = self._read_effect.first(connection, key=key)
                raise unsettled(key, None if row is None else row.state)

    def effect(self, key: str) -> EffectRecord | None:
        """See ``Journal.effect``."""
        with self._database.read() as connection:
            row = self._read_effect.first(connection, key=key)
            return None if row is None else self._with_amounts(connection, row)

    def effects(
        self, *, scope: Scope | AnyScope, state: EffectState | None = None, run: str | None = None
    ) -> list[EffectRecord]:
        """See ``Journal.effects``."""
        query = with_scope(effects).where(visible(effects, scope))
        for column, wanted in ((effects.c.state, state), (effects.c.run, run)):
            query = query if wanted is None else query.where(column == wanted)
        measures = select(effect_amounts.c.effect_id, effect_amounts.c.measure, effect_amounts.c.amount)
        measures = measures.where(effect_amounts.c.effect_id.in_(select(query.subquery().c.id)))
        amounts: dict[int, dict[str, Decimal]] = defaultdict(dict)
        with self._database.read() as connection:
            for number, measure, amount in connection.execute(measures.order_by(effect_amounts.c.measure)):
                amounts[number][measure] = Decimal(amount)
            found = connection.execute(query.order_by(effects.c.started_at, effects.c.id))
            return [_effect(row, amounts[row.id]) for row in found]

    def _with_amounts(self, connection: Connection, row: Any) -> EffectRecord:  # noqa: ANN401  # a row of the driver
        amounts = self._read_amounts.run(connection, row=row.id)
        return _effect(row, {one.measure: Decimal(one.amount) for one in amounts})


def _settling() -> ClauseElement:
    """What an erased effect gave is not kept."""
    columns = effects.c
    still_open = or_(*(columns.state == state for state in _OPEN))
    kept = columns.erased_at.is_(None)
    return (
        update(effects)
        .where(columns.key == bindparam("key"), still_open)
        .values(
            state=bindparam("new_state"),
            result=case((kept, bindparam("new_result", type_=columns.result.type))),
            reason=case((kept, bindparam("new_reason", type_=columns.reason.type)), else_=""),
            finished_at=bindparam("finished_at"),
        )
    )


def _adding_up() -> ClauseElement:
    """Effects of one tenant, agent and tool since some time, unless they failed."""
    columns, amounts = effects.c, effect_amounts.c
    return (
        select(*(func.coalesce(func.sum(one), 0).label(one.key) for one in (amounts.whole, amounts.billionths)))
        .select_from(effects.join(effect_amounts, amounts.effect_id == columns.id))
        .where(*(columns[name] == bindparam(name) for name in ("tenant", "agent", "tool")))
        .where(columns.started_at > bindparam("since"), columns.state != "failed")
        .where(amounts.measure == bindparam("measure"))
    )


def _effect(row: Any, amounts: dict[str, Decimal]) -> EffectRecord:  # noqa: ANN401  # a row of with_scope
    return EffectRecord(
        key=row.key,
        run=row.run,
        call=row.call,
        agent=row.agent,
        tool=row.tool,
        scope=scope_in(row),
        arguments_hash=row.arguments_hash,
        amounts=amounts,
        state=row.state,
        result=row.result,
        started_at=from_microseconds(row.started_at),
        finished_at=None if row.finished_at is None else from_microseconds(row.finished_at),
        reason=row.reason,
        erased_at=None if row.erased_at is None else from_microseconds(row.erased_at),
    )
