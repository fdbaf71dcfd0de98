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
from ._wide import METHODS

TYPE_KEYWORDS = ("dtype", "output")


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


def _int64(node: ast.expr) -> ast.expr:
    is_int = isinstance(node, ast.Name) and node.id == "int"
    return ast.copy_location(ast.Constant("int64"), node) if is_int else node


class _Wide(ast.NodeTransformer):
    """`x.cumsum(…)` becomes `__tilefn__(x, "cumsum", …)`, and `dtype=int` becomes `dtype="int64"`."""

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        """`a.dtype == int`."""
        self.generic_visit(node)
        if any(isinstance(side, ast.Attribute) and side.attr == "dtype" for side in (node.left, *node.comparators)):
            node.comparators = [_int64(side) for side in node.comparators]
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        for keyword in node.keywords:
            if keyword.arg in TYPE_KEYWORDS:
                keyword.value = _int64(keyword.value)
        called = node.func
        if not isinstance(called, ast.Attribute) or called.attr not in METHODS:
            return node
        if isinstance(called.value, ast.Call) and getattr(called.value.func, "id", "") == "super":
            return node
        name = ast.copy_location(ast.Name("__tilefn__", ast.Load()), called)
        method = ast.copy_location(ast.Constant(called.attr), called)
        return ast.copy_location(ast.Call(name, [called.value, method, *node.args], node.keywords), node)
