"""The command `tilefn`, which pip puts on the path."""

from __future__ import annotations

import os
import sys

from ._native import WITHOUT, program


def main() -> None:
    found = program()
    if found is None:
        sys.exit(f"error: {WITHOUT}")
    # In place of this Python, so that signals and the exit code are the program's own.
    os.execv(found, ["tilefn", *sys.argv[1:]])
