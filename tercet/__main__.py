"""``python -m tercet``: the command line where no script was installed."""

from __future__ import annotations

from tercet.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
