"""The compiled part, and the program that comes with it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from types import ModuleType

WITHOUT = (
    "this installation of tilefn is only its Python part, which tests functions; "
    "functions in the sandbox and jobs need the whole: "
    "pip install a wheel for this machine, or make python in a clone of tilefn"
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
    """The program `tilefn`, of which a job's worker processes are copies: the package's own, else the one on the path."""
    own = Path(__file__).parents[1] / "_inside" / "bin" / "tilefn"
    if own.is_file():
        return own
    found = shutil.which("tilefn")
    # Not the command that this package itself puts there.
    return Path(found) if found and Path(found).resolve() != Path(sys.argv[0]).resolve() else None
