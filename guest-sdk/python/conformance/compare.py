"""Compares `calls.py` in the sandbox with native numpy: `compare.py report.json docs/python.md`.

The report is that of a run of the tile function `calls`. Fails if a call differs that isn't in the page's table.
"""

import ast
import json
import sys
import warnings
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
ULPS = 8
"""Most units in the last place by which functions of the C library, and sums in another order, may differ."""


def texts() -> list[str]:
    """The calls as they stand in the file."""
    source = (HERE / "calls.py").read_text()
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "CALLS":
            return [ast.get_source_segment(source, item.body) or "" for item in node.value.elts]
    raise SystemExit("calls.py has no CALLS")


def difference(native, sandbox) -> str:
    """How two results differ; "" when they don't, "rounding" when floats differ in the last places only."""
    if native[0] == "array" == sandbox[0]:
        if native[1] != sandbox[1]:
            return f"{native[1]} natively, {sandbox[1]} in the sandbox"
        if native[2] != sandbox[2]:
            return f"shape {native[2]} natively, {sandbox[2]} in the sandbox"
        if native[3] == sandbox[3]:
            return ""
        a, b = (np.frombuffer(bytes.fromhex(one[3]), one[1]) for one in (native, sandbox))
        if a.dtype.kind in "fc":
            eps = np.finfo(a.dtype).eps
            # Also of the largest value: the sums behind a small one may have been large.
            if np.allclose(a, b, rtol=ULPS * eps, atol=ULPS * np.nanmax(np.abs(a)) * eps, equal_nan=True):
                return "rounding"
        return f"{a[:3].tolist()} natively, {b[:3].tolist()} in the sandbox"
    if native[0] != sandbox[0]:
        return f"{native} natively, {sandbox} in the sandbox"
    if native[0] in ("tuple", "list", "masked"):
        pairs = zip(native[1:], sandbox[1:]) if native[0] == "masked" else zip(native[1], sandbox[1])
        found = [difference(*pair) for pair in pairs]
        found = [one for one in found if one]
        worse = [one for one in found if one != "rounding"]
        return (worse or found or [""])[0]
    return "" if native == sandbox else f"{native[1]} natively, {sandbox[1]} in the sandbox"


def main() -> None:
    sys.path[:0] = [str(HERE), str(HERE.parent)]
    import calls

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        native = json.loads(json.dumps(calls.evaluate()))
    sandbox = json.loads(Path(sys.argv[1]).read_text())["result"]
    page = Path(sys.argv[2]).read_text()
    calls_as_text = texts()
    assert len(native) == len(sandbox) == len(calls_as_text)
    rounding, unknown, known = [], [], []
    for text, *pair in zip(calls_as_text, native, sandbox):
        found = difference(*pair)
        if found == "rounding":
            rounding.append(text)
        elif found and f"| `{text}`" in page:
            known.append(text)
        elif found:
            unknown.append(f"| `{text}` | {found} |")
    print(
        f"{len(native)} calls: {len(rounding)} differ by rounding, {len(known)} as the page says, {len(unknown)} otherwise"
    )
    if unknown:
        raise SystemExit("\n".join([f"not in {sys.argv[2]}:", *unknown]))


if __name__ == "__main__":
    main()
