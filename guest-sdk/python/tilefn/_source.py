"""A user's source on its way into the sandbox: what can't work is refused by name, and what would compute with 32 bits is
rewritten.

numpy's default integer has 32 bits in the sandbox. `_wide.py` has its replacements; this file makes a program use them
where only its source shows the need: methods of arrays, and `int` as a type.
"""

from __future__ import annotations

import ast
import json
import sys
from types import CodeType

from ._errors import TileFunctionError
from ._wide import ADDING, METHODS

TYPE_KEYWORDS = ("dtype", "output")
NARROW = ("pandas", "scipy.stats", "sklearn", "statsmodels")
"""Modules that add narrow integers in 32 bits, since they call numpy themselves."""
NOTES: list[str] = []
"""What the sources read so far should be warned of."""


def compiled(path: str, source: bytes) -> CodeType:
    """The code of a file; a mistake is a `TileFunctionError` with the line."""
    if path.endswith(".ipynb") or _is_notebook(source):
        raise TileFunctionError(
            f"{path}:1: this is a notebook; make a Python file of it: jupyter nbconvert --to script {path}"
        )
    try:
        tree = ast.parse(source, path)
    except SyntaxError as e:
        raise TileFunctionError(_syntax_error(path, e)) from None
    except ValueError as e:  # a zero byte
        raise TileFunctionError(f"{path}:1: this is no Python source: {e}") from None
    NOTES.extend(_notes(path, tree))
    return compile(ast.fix_missing_locations(_Wide().visit(tree)), path, "exec", dont_inherit=True)


def _is_notebook(source: bytes) -> bool:
    try:
        return source.lstrip()[:1] == b"{" and "cells" in json.loads(source)
    except ValueError:
        return False


def _syntax_error(path: str, e: SyntaxError) -> str:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    text = f"{path}:{e.lineno or 1}: {e.msg}"
    if "Missing parentheses" in e.msg or "multiple exception types" in e.msg or "octal" in e.msg:
        text += f"; this looks like Python 2, and functions are Python {version}: convert it with 2to3"
    line = (e.text or "").strip()
    return f"{text}\n    {line}" if line else text


def _notes(path: str, tree: ast.Module) -> list[str]:
    """Imports whose results may differ from those on a 64-bit machine, without an error."""
    notes = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for module in NARROW:
            if any(f"{name}.".startswith(f"{module}.") for name in names):
                notes.append(
                    f"{path}:{node.lineno}: {module} adds integers of less than 64 bits in 32 bits here: "
                    f'give it floats, or .astype("int64")'
                )
    return notes


def _int64(node: ast.expr) -> ast.expr:
    if isinstance(node, (ast.List, ast.Tuple)):  # [("count", int), ("mean", float)]
        node.elts = [_int64(item) for item in node.elts]
    is_int = isinstance(node, ast.Name) and node.id == "int"
    return ast.copy_location(ast.Name("__tilefn_int__", ast.Load()), node) if is_int else node


class _Wide(ast.NodeTransformer):
    """`x.cumsum(…)` becomes `__tilefn__(x, "cumsum", …)`, and `int` as a type becomes `__tilefn_int__`."""

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        """`a.dtype == int`."""
        self.generic_visit(node)
        if any(isinstance(side, ast.Attribute) and side.attr == "dtype" for side in (node.left, *node.comparators)):
            node.comparators = [_int64(side) for side in node.comparators]
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        called = node.func
        is_method = isinstance(called, ast.Attribute) and called.attr in METHODS
        if is_method:
            called.value = self.visit(called.value)
        else:
            node.func = self.visit(called)
        node.args = [self.visit(arg) for arg in node.args]
        if "dtype" in (getattr(called, "attr", ""), getattr(called, "id", "")):  # np.dtype(int)
            node.args = [_int64(arg) for arg in node.args]
        for keyword in node.keywords:
            keyword.value = self.visit(keyword.value)
            if keyword.arg in TYPE_KEYWORDS:
                keyword.value = _int64(keyword.value)
        if not is_method:
            return node
        if isinstance(called.value, ast.Call) and getattr(called.value.func, "id", "") == "super":
            return node
        return _redirected("__tilefn__", called, node, node.args, node.keywords)

    def visit_match_case(self, node: ast.match_case) -> ast.AST:
        """The names in a pattern can't become calls."""
        node.guard = None if node.guard is None else self.visit(node.guard)
        node.body = [self.visit(statement) for statement in node.body]
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """A method that isn't called at once: `add = a.cumsum`."""
        self.generic_visit(node)
        if node.attr not in ADDING or not isinstance(node.ctx, ast.Load):
            return node
        return _redirected("__tilefn_bound__", node, node, [], [])


def _redirected(name: str, method: ast.Attribute, at: ast.expr, args: list, keywords: list) -> ast.Call:
    called = ast.copy_location(ast.Name(name, ast.Load()), method)
    text = ast.copy_location(ast.Constant(method.attr), method)
    return ast.copy_location(ast.Call(called, [method.value, text, *args], keywords), at)
