"""Imports an export and kills itself at its first report of a phase, or at a given number of seconds.

``python import_driver.py MEMORY FILE PHASE`` or ``python import_driver.py MEMORY FILE SECONDS``
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from tercet import Memory, Scope
from tercet.records import Progress
from tercet.testing import HashEmbedder

DIMENSION = 16


def run(folder: str, file: str, moment: str) -> None:
    def report(step: Progress) -> None:
        if step.phase == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    with Memory.open(folder, embedder=HashEmbedder(dimension=DIMENSION)) as memory:
        if moment.replace(".", "").isdigit():
            watch = threading.Timer(float(moment), os.kill, (os.getpid(), signal.SIGKILL))
            watch.daemon = True
            watch.start()
        memory.import_(file, scope=Scope.any(), progress=report)


if __name__ == "__main__":
    run(*sys.argv[1:])
