"""Forgets all of one person, and ends itself as kill -9 would at a chosen moment.

``python forget_driver.py MEMORY TENANT MOMENT``, where the moment is how often progress was reported when it dies
(``forget 2``: after the second batch), or ``vacuum`` or ``checkpoint``: just before that is done.
"""

from __future__ import annotations

import os
import signal
import sys

from tercet import DocumentFilter, Scope
from tercet.memory.database import Database
from tercet.records import Progress
from tests.memory.forgetting.canaries import open_memory


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    folder, tenant, moment = sys.argv[1:]
    phase, _, number = moment.partition(" ")
    reported: list[str] = []

    def progress(step: Progress) -> None:
        reported.append(step.phase)
        if step.phase == phase and reported.count(phase) == int(number):
            die()

    if phase in {"vacuum", "checkpoint"}:
        setattr(Database, phase, die)
    with open_memory(folder) as memory:
        memory.forget(scope=Scope.any(tenant=tenant), documents=DocumentFilter(tenant=tenant), progress=progress)
    sys.stdout.write("done\n")
