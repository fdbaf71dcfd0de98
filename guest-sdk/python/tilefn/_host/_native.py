"""The compiled part, and the program that comes with it."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import ModuleType

WITHOUT = (
    "this installation of tilefn is only its Python part, which tests functions; "
    "functions in the sandbox and jobs need the whole: make python, in a clone of tilefn"
)


def native() -> ModuleType:
    """The compiled part."""
    try:
        from .. import _tilefn
    except ImportError as e:
        raise ImportError(f"{WITHOUT} ({e})") from None
    found = program()
    if found:
        _tilefn.set_program(str(found))
    return _tilefn


def program() -> Path | None:
    """The program `tilefn` on the path, of which a job's worker processes are copies."""
    found = shutil.which("tilefn")
    return Path(found) if found else None
