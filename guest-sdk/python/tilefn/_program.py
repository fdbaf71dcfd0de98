"""The user's program in the sandbox: its files, their import, its tile functions, and its failures as text."""

from __future__ import annotations

import importlib.machinery
import json
import linecache
import struct
import sys
import traceback
from types import ModuleType
from typing import Any, NamedTuple

from . import _numba
from ._errors import TileFunctionError
from ._function import TileFunction
from ._source import NOTES, compiled
from ._wide import NAMES

MAGIC = b"tilefn-bundle-1\n"


class Program(NamedTuple):
    """A bundle that was read: Python files by their paths, one of them the program."""

    path: str
    files: dict[str, bytes]


def read(bundle: bytes) -> Program:
    """The Python files of a bundle, which the host has checked. The others are in the folder /function."""
    at = len(MAGIC)
    (length,) = struct.unpack_from("<I", bundle, at)
    at += 4
    header = json.loads(bundle[at : at + length])
    at += length
    files = {}
    for file in header["files"]:
        if file["path"] == header["program"] or file["path"].endswith(".py"):
            files[file["path"]] = bundle[at : at + file["bytes"]]
        at += file["bytes"]
    return Program(header["program"], files)


class Finder:
    """Imports a bundle's Python files, as from the program's folder."""

    def __init__(self, program: Program, of_folders: bool = False) -> None:
        self._files, self._of_folders = program.files, of_folders

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name == "numba":
            return importlib.machinery.ModuleSpec(name, self, origin=None)
        stem = name.replace(".", "/")
        parent = getattr(sys.modules.get(name.rpartition(".")[0]), "__spec__", None)
        if parent is not None and not isinstance(parent.loader, Finder):
            return None
        if self._of_folders:
            is_folder = any(file.startswith(f"{stem}/") for file in self._files)
            return importlib.machinery.ModuleSpec(name, self, origin=None, is_package=True) if is_folder else None
        for file in (f"{stem}/__init__.py", f"{stem}.py"):
            if file in self._files:
                spec = importlib.machinery.ModuleSpec(name, self, origin=file, is_package=file.endswith("__init__.py"))
                spec.has_location = True
                return spec
        return None

    def create_module(self, spec: Any) -> Any:
        return _numba if spec.name == "numba" else None

    def exec_module(self, module: ModuleType) -> None:
        path = module.__spec__.origin
        if module is _numba:
            NOTES.append("numba isn't there: functions with @jit run as plain Python, which is much slower")
        elif path is not None:
            execute(module, path, self._files[path])


def execute(module: ModuleType, path: str, source: bytes) -> None:
    """Runs a file in its module; tracebacks show its lines."""
    text = source.decode("utf-8", "replace")
    linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)
    vars(module).update(NAMES)
    exec(compiled(path, source), vars(module))


def functions(program: Program) -> dict[str, TileFunction]:
    """The tile functions of a program, which runs its file once."""
    sys.meta_path.insert(0, Finder(program))
    # As in Python itself, a folder without __init__.py comes after every module of that name.
    sys.meta_path.append(Finder(program, of_folders=True))
    stem = program.path.rpartition("/")[2].removesuffix(".py")
    # A module of Python's own, such as `statistics`, keeps its name.
    name = "__program__" if stem in sys.modules or not stem.isidentifier() else stem
    module = ModuleType(name)
    module.__file__ = program.path
    sys.modules[name] = module
    execute(module, program.path, program.files[program.path])
    found = {}
    for value in vars(module).values():
        if isinstance(value, TileFunction):
            if found.setdefault(value.signature.name, value) is not value:
                raise TileFunctionError(f"{program.path}: two tile functions have the name {value.signature.name}")
    if not found:
        raise TileFunctionError(
            f"{program.path}:1: there is no tile function: put @tile_function above a def, after "
            "from tilefn import tile_function"
        )
    return found


def failure(e: BaseException, program: Program) -> str:
    """A failure as the user should see it: the message, then the calls in the user's own files."""
    text = _message(e)
    own = [frame for frame in traceback.extract_tb(e.__traceback__) if frame.filename in program.files]
    if isinstance(e, RecursionError):
        own = own[:3]
    if isinstance(e, TileFunctionError) and not own:
        return text
    return (text + "\n" + "".join(traceback.StackSummary.from_list(own).format())).rstrip()


def _message(e: BaseException) -> str:
    if isinstance(e, TileFunctionError):
        return str(e)
    if isinstance(e, MemoryError):
        return f"MemoryError: {e}".rstrip(": ") + "; the job's limits.memory says how much there is"
    if type(e).__name__ == "InconsistentVersionWarning" and hasattr(e, "original_sklearn_version"):
        version = e.current_sklearn_version
        return (
            f"the model ({e.estimator_name}) was made with scikit-learn {e.original_sklearn_version}, the sandbox has "
            f"{version}: pip install scikit-learn=={version}, and train it again"
        )
    if isinstance(e, SystemExit):
        return "the function called exit(), which ends nothing here: return a result or raise an error"
    if isinstance(e, ModuleNotFoundError) and e.name:
        return (
            f"there is no module {e.name!r} in the sandbox: it has Python's own modules, numpy, scipy, pandas and "
            "scikit-learn; name files of pure Python in the job's function.include"
        )
    return "".join(traceback.format_exception_only(e)).rstrip()
