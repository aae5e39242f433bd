"""Writes working documents from several threads for ever; says what was acknowledged. Killed by its test.

``working_writer.py FOLDER START``: lines are ``KEY VERSION HASH``, or ``KEY VERSION gone`` after a deletion.
"""

from __future__ import annotations

import os
import random
import sys
import threading

from pydantic import BaseModel

from tercet import Scope
from tercet.errors import ConflictError, DocumentExistsError, DocumentNotFoundError
from tercet.memory.database import Database
from tercet.memory.working.memory import WorkingMemory

TASK = Scope(tenant="acme")
THREADS = 4


class Log(BaseModel):
    entries: list[str] = []


def work(working: WorkingMemory, seed: int) -> None:
    """Create, extend and delete the documents that all threads share."""
    choose = random.Random(seed)
    while True:
        key = f"log{choose.randrange(6)}"
        place = {"key": key, "scope": TASK, "actor": "writer"}
        entry = f"{seed} {choose.random()} " + "x" * choose.choice([5, 500, 6_000])
        try:
            action = choose.choices(["update", "replace", "create", "delete"], [50, 20, 20, 4])[0]
            if action == "create":
                done = working.create(Log(entries=[entry]), **place)
            elif action == "update":
                done = working.update(Log, lambda log, entry=entry: Log(entries=[*log.entries[-20:], entry]), **place)
            elif action == "replace":
                read = working.read(Log, key=key, scope=TASK)
                done = working.replace(Log(entries=[entry]), read_version=read.version, **place)
            else:
                read = working.read(Log, key=key, scope=TASK)
                working.delete(read_version=read.version, **place)
                say(f"{key} {read.version} gone")
                continue
        except (ConflictError, DocumentExistsError, DocumentNotFoundError):
            continue
        say(f"{key} {done.version} {done.hash}")


def say(line: str) -> None:
    """One whole line, in one write."""
    os.write(1, line.encode() + b"\n")


def fail(error: threading.ExceptHookArgs) -> None:
    """An error in one thread is an error of the writer."""
    threading.__excepthook__(error)
    os._exit(1)


if __name__ == "__main__":
    threading.excepthook = fail
    memory = WorkingMemory(Database.open(sys.argv[1]))
    for number in range(THREADS):
        threading.Thread(target=work, args=(memory, int(sys.argv[2]) + number)).start()
