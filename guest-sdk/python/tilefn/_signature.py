"""From a Python signature to a function's description: inputs, parameters, outputs, halo."""

from __future__ import annotations

import ast
import inspect
import math
import typing
from types import FunctionType
from typing import Any, NamedTuple

from ._errors import TileFunctionError

DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64")
"""Pixel types; the ABI's number of a type is its place in this list, from 1."""
SCALARS = {"bool": bool, "int": int, "float": float, "str": str, "bytes": bytes}
WORDS = {"bool": "bool", "int": "int", "float": "float", "str": "text", "bytes": "bytes"}
"""The description's words for the types of parameters."""
EXAMPLES = '"float32", "uint16", "any", list["float32"], "float32 | None"'
INT64 = (-(2**63), 2**63 - 1)


class Kind(NamedTuple):
    """An annotation that was understood."""

    name: str
    list: bool = False
    optional: bool = False


class Input(NamedTuple):
    name: str
    dtype: str
    list: bool
    optional: bool
    doc: str


class Param(NamedTuple):
    name: str
    type: str
    list: bool
    default: Any
    min: Any
    max: Any
    doc: str


class Output(NamedTuple):
    name: str
    dtype: str
    list: bool
    nodata: Any
    doc: str


class Signature(NamedTuple):
    """All that the host must know of a function, and how its Python arguments are passed."""

    name: str
    doc: str
    inputs: list[Input]
    params: list[Param]
    outputs: list[Output]
    halo: int | str
    reduce: bool
    returns: str
    """Form of the result: "one" output, a "dict" of them, or "none"."""
    arguments: list[tuple[str, bool]]
    """Names in the order of the signature, and whether each is passed by keyword."""
    context: str | None

    def description(self) -> dict[str, Any]:
        """As docs/abi.md says."""
        return {
            "name": self.name,
            "doc": self.doc,
            "inputs": [item._asdict() for item in self.inputs],
            "params": [{**item._asdict(), "type": WORDS[item.type]} for item in self.params],
            "outputs": [{**item._asdict(), "nodata": _json_number(item.nodata)} for item in self.outputs],
            "halo": self.halo,
            "reduce": self.reduce,
        }


class _Declared(NamedTuple):
    default: Any
    min: Any
    max: Any


_REQUIRED = inspect.Parameter.empty


def param(default: Any = _REQUIRED, *, min: Any = None, max: Any = None) -> Any:
    """A parameter with bounds: `radius: int = param(2, min=1, max=50)`. Without a default the job must give it."""
    return _Declared(default, min, max)


def place(function: FunctionType) -> str:
    """`f.py:12`, where a function begins."""
    code = function.__code__
    return f"{code.co_filename.rpartition('/')[2]}:{code.co_firstlineno}"


def read(function: FunctionType, halo: Any, nodata: Any) -> Signature:
    """The signature of a function; raises a `TileFunctionError` for the first mistake."""

    def wrong(text: str) -> TileFunctionError:
        return TileFunctionError(f"{place(function)}: {function.__name__}: {text}")

    annotations = _annotations(function, wrong)
    docs = _docs(function.__doc__)
    inputs: list[Input] = []
    params: list[Param] = []
    arguments: list[tuple[str, bool]] = []
    context = None
    for argument in _parameters(function):
        name, annotation = argument.name, annotations.get(argument.name)
        by_keyword = argument.kind is argument.KEYWORD_ONLY
        if argument.kind in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD):
            raise wrong(f'*{name} can\'t be an input: a list of files is an argument such as {name}: list["float32"]')
        arguments.append((name, by_keyword))
        if name == "ctx" or _text(annotation).endswith("Context"):
            context = name
        elif by_keyword:
            params.append(_param(name, annotation, argument.default, docs.get(name, ""), wrong))
        else:
            inputs.append(_input(name, annotation, argument.default, docs.get(name, ""), wrong))
    if not inputs and context is None:  # only they say how large a tile is
        raise wrong('it needs an input, such as dem: "float32" before the *, or the context, ctx')
    returns, reduce, outputs = _outputs(function, annotations.get("return"), docs, nodata, wrong)
    if any(output.dtype == "any" for output in outputs) and all(item.dtype != "any" for item in inputs):
        raise wrong('an output is "any", the type of the first input that is "any", but there is no such input')
    halo, params = _halo(halo, params, wrong)
    doc = inspect.cleandoc(function.__doc__ or "").split("\n\n")[0]
    return Signature(function.__name__, doc, inputs, params, outputs, halo, reduce, returns, arguments, context)


def _annotations(function: FunctionType, wrong: Any) -> dict[str, Any]:
    try:
        return dict(function.__annotations__)
    except Exception as e:  # from Python 3.14 on they are evaluated here
        try:
            import annotationlib

            return annotationlib.get_annotations(function, format=annotationlib.Format.STRING)
        except Exception:
            raise wrong(
                f'its annotations can\'t be evaluated ({e}); write each as one text, such as "float32 | None"'
            ) from None


def _parameters(function: FunctionType) -> list[inspect.Parameter]:
    try:
        signature = inspect.signature(function)
    except NameError:  # an annotation that only its text can be read of, from Python 3.14 on
        import annotationlib

        signature = inspect.signature(function, annotation_format=annotationlib.Format.STRING)
    return list(signature.parameters.values())


def _docs(doc: str | None) -> dict[str, str]:
    """Lines of the docstring such as `dem: Heights.`"""
    lines = (line.strip().partition(":") for line in (doc or "").splitlines())
    return {name: text.strip() for name, colon, text in lines if colon and name.isidentifier()}


def _text(annotation: Any) -> str:
    """An annotation as the text that a user would write for it."""
    if annotation is None or annotation is type(None):
        return "None"
    if isinstance(annotation, str):
        return annotation
    if isinstance(annotation, typing.ForwardRef):
        return annotation.__forward_arg__
    if isinstance(annotation, dict):
        return "{" + ", ".join(f"{key!r}: {_text(value)!r}" for key, value in annotation.items()) + "}"
    if isinstance(annotation, (tuple, list)):
        return "(" + ", ".join(repr(_text(item)) for item in annotation) + ",)"
    arguments = typing.get_args(annotation)
    if not arguments:
        return getattr(annotation, "__name__", repr(annotation))
    texts = [_text(argument) for argument in arguments]
    if typing.get_origin(annotation) in (list, tuple):
        return f"{typing.get_origin(annotation).__name__}[{', '.join(texts)}]"
    return " | ".join(texts)


def _parse(text: str) -> ast.expr | None:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except SyntaxError:
        return None


def _kind(node: ast.expr | None) -> Kind | None:
    """What an annotation's expression says; none when it says nothing that is known."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _kind(_parse(node.value))
    if isinstance(node, ast.Constant) and node.value is None:
        return Kind("None")
    if isinstance(node, (ast.Name, ast.Attribute)):
        return Kind(_last_name(node))
    if isinstance(node, ast.Subscript):
        inner, outer = _kind(node.slice), _last_name(node.value)
        if inner is None or inner.list or inner.optional:
            return inner._replace(optional=True) if inner is not None and outer == "Optional" else None
        return {
            "list": inner._replace(list=True),
            "List": inner._replace(list=True),
            "Optional": inner._replace(optional=True),
        }.get(outer)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        sides = [_kind(node.left), _kind(node.right)]
        kinds = [side for side in sides if side is not None and side.name != "None"]
        return kinds[0]._replace(optional=True) if len(kinds) == 1 and None not in sides else None
    return None


def _last_name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")


def _input(name: str, annotation: Any, default: Any, doc: str, wrong: Any) -> Input:
    if annotation is None:
        raise wrong(f'argument {name} needs a type, such as {name}: "float32"')
    kind = _kind(_parse(_text(annotation)))
    if kind is None or kind.name not in (*DTYPES, "any"):
        hint = ""
        if kind is not None and kind.name in SCALARS:
            hint = f"; a parameter stands after a *: def f(…, *, {name}: {kind.name})"
        raise wrong(f"argument {name} has the type {_text(annotation)}, which no pixel has: write {EXAMPLES}{hint}")
    if default is not _REQUIRED and default is not None:
        raise wrong(f"argument {name} is an input and can have no default but None, which makes it optional")
    if kind.list and (kind.optional or default is None):
        raise wrong(f"argument {name} is a list and can't be optional: the job always names its files")
    return Input(name, kind.name, kind.list, kind.optional or default is None, doc)


def _param(name: str, annotation: Any, default: Any, doc: str, wrong: Any) -> Param:
    declared = default if isinstance(default, _Declared) else _Declared(default, None, None)
    value = declared.default
    kind = _kind(_parse(_text(annotation)))
    if annotation is None and value is not _REQUIRED and type(value).__name__ in SCALARS:
        kind = Kind(type(value).__name__)
    if kind is None or kind.name not in SCALARS or kind.optional:
        shown = "no type" if annotation is None else f"the type {_text(annotation)}"
        raise wrong(f"parameter {name} has {shown}: write {name}: bool, int, float, str, bytes, or list[int] and the like")
    if kind.name == "bytes" and (kind.list or value is not _REQUIRED):
        raise wrong(f"parameter {name} is the bytes of a file, which the job names: it can be no list and has no default")
    bounds = (declared.min, declared.max)
    if any(bound is not None for bound in bounds) and kind.name not in ("int", "float"):
        raise wrong(f"parameter {name} has bounds, but only an int and a float can have them")
    for which, bound in zip(("min", "max"), bounds):
        if bound is not None and convert(kind.name, bound) is None:
            raise wrong(f"parameter {name}: {which} is {bound!r}, which is no {kind.name}")
    item = Param(name, kind.name, kind.list, None, *bounds, doc)
    if None not in bounds and bounds[0] > bounds[1]:
        raise wrong(f"parameter {name}: min is above max")
    if value is not _REQUIRED:
        try:
            item = item._replace(default=check_param(item, value))
        except TileFunctionError as e:
            raise wrong(f"the default of {e}") from None
    return item


def convert(scalar: str, value: Any) -> Any:
    """A value as one of a parameter's type, or none if it isn't."""
    if hasattr(value, "dtype") and getattr(value, "ndim", 1) == 0:
        value = value.item()
    is_bool = isinstance(value, bool)
    if scalar == "float" and isinstance(value, (int, float)) and not is_bool and math.isfinite(value):
        return float(value)
    if scalar == "int" and isinstance(value, int) and not is_bool and INT64[0] <= value <= INT64[1]:
        return value
    if (scalar == "bool" and is_bool) or (scalar in ("str", "bytes") and isinstance(value, SCALARS[scalar])):
        return value
    return None


def check_param(item: Param, value: Any) -> Any:
    """A parameter's value, of its type and within its bounds."""
    if item.list and not isinstance(value, (list, tuple)):
        raise TileFunctionError(f"parameter {item.name} is {value!r}, which is no list")
    converted = []
    for one in value if item.list else [value]:
        fitting = convert(item.type, one)
        if fitting is None:
            shown = "bytes" if isinstance(one, bytes) else repr(one)
            raise TileFunctionError(f"parameter {item.name} is {shown}, which is no {item.type}")
        if item.min is not None and fitting < item.min:
            raise TileFunctionError(f"parameter {item.name} is {one!r}, below min = {item.min}")
        if item.max is not None and fitting > item.max:
            raise TileFunctionError(f"parameter {item.name} is {one!r}, above max = {item.max}")
        converted.append(fitting)
    return converted if item.list else converted[0]


def _outputs(
    function: FunctionType, annotation: Any, docs: dict[str, str], nodata: Any, wrong: Any
) -> tuple[str, bool, list[Output]]:
    if annotation is None:
        raise wrong('it needs an output: -> "float32" after the arguments, or -> Reduced')
    node = _parse(_text(annotation))
    while isinstance(node, ast.Constant) and isinstance(node.value, str):
        node = _parse(node.value)
    reduce = False
    parts = node.elts if isinstance(node, ast.Tuple) else [node]
    if isinstance(node, ast.Subscript) and _last_name(node.value) in ("tuple", "Tuple"):
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    kinds = [_kind(part) for part in parts]
    if kinds[-1] is not None and kinds[-1].name == "Reduced" and len(parts) <= 2:
        reduce = True
        parts.pop()
    elif len(parts) > 1:
        raise wrong('several outputs are a dict with their names: -> {"slope": "float32", "aspect": "float32"}')
    if not parts:
        if nodata is not None:
            raise wrong("nodata belongs to an output, and it has none")
        return "none", reduce, []
    part, returns = parts[0], "one"
    named = [(function.__name__, part)]
    while isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value.lstrip().startswith("{"):
        part = _parse(part.value)
    if isinstance(part, ast.Dict):
        returns = "dict"
        named = [(getattr(key, "value", None), value) for key, value in zip(part.keys, part.values)]
    outputs = []
    for name, part in named:
        kind = _kind(part)
        if not isinstance(name, str) or kind is None or kind.name not in (*DTYPES, "any") or kind.optional:
            raise wrong(
                f'the output has the type {_text(annotation)}: write "float32", list["float32"], '
                'a dict such as {"slope": "float32"}, or Reduced'
            )
        outputs.append(Output(name, kind.name, kind.list, None, docs.get(name, "")))
    return returns, reduce, _with_nodata(outputs, nodata, wrong)


def _with_nodata(outputs: list[Output], nodata: Any, wrong: Any) -> list[Output]:
    if nodata is None:
        return outputs
    of = nodata if isinstance(nodata, dict) else {output.name: nodata for output in outputs}
    for name in of:
        if name not in [output.name for output in outputs]:
            raise wrong(f"nodata names {name!r}, which is no output")
    return [output._replace(nodata=_nodata(output, of.get(output.name), wrong)) for output in outputs]


def _nodata(output: Output, value: Any, wrong: Any) -> Any:
    if value is None:
        return None
    if not isinstance(value, (int, float)) or isinstance(value, bool) or value in (math.inf, -math.inf):
        raise wrong(f"nodata is {value!r}, which is no number")
    if "int" in output.dtype:
        bits = int(output.dtype.rpartition("int")[2])
        low, high = (0, 2**bits - 1) if output.dtype[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        if (isinstance(value, float) and not value.is_integer()) or not low <= value <= high:
            raise wrong(f"nodata is {value}; that of {output.dtype} is an integer from {low} to {high}")
        return int(value)
    return value


def _json_number(value: Any) -> Any:
    return "nan" if isinstance(value, float) and math.isnan(value) else value


def _halo(halo: Any, params: list[Param], wrong: Any) -> tuple[int | str, list[Param]]:
    if isinstance(halo, int) and not isinstance(halo, bool):
        if not 0 <= halo <= 16384:
            raise wrong(f"halo is {halo}; it is a number of pixels from 0 to 16384")
        return halo, params
    integers = [item.name for item in params if item.type == "int" and not item.list]
    if halo not in integers:
        known = f"its int parameters are: {', '.join(integers)}" if integers else "it has no int parameter"
        raise wrong(f"halo is {halo!r}; it is a number of pixels, or the name of an int parameter; {known}")
    changed = []
    for item in params:
        if item.name == halo:
            item = item._replace(min=0 if item.min is None else item.min)
            if item.min < 0 or (item.default is not None and item.default < 0):
                raise wrong(f"halo is the parameter {halo}, which may be negative: give it min=0")
        changed.append(item)
    return halo, changed
