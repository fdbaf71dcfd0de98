#!/usr/bin/env python3
"""Functions without Rust: expressions and Python files, against the Rust examples, numpy over GDAL's blocks, and gdal_calc.

    bench/without_rust.py --tilefn target/release/tilefn [--size 4096] [--turns 3]

The Python runtime must be installed (`tilefn python install`). "numpy" is the same Python file, run outside the sandbox by two
threads over blocks. Output options are the same for all. As in run.py the tools take turns; the first turn isn't counted,
and its results are compared.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

from suite import BENCH, CREATION, HERE, JOBS, ROOT, THREADS, inputs_of, make_data, say

FILES = {
    "ndvi": ROOT / "examples/python/ndvi.py",
    "focal-mean": ROOT / "examples/python/focal_mean.py",
    "cloud-free-median": ROOT / "examples/python/cloud_free_median.py",
    "focal-median": HERE / "functions/python/focal_median.py",
}
EXPRESSIONS = {"ndvi": "(nir - red) / (nir + red)"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tilefn", required=True)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--job", choices=FILES, action="append")
    args = parser.parse_args()
    venv = Path(subprocess.run([HERE / "setup-competitors.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip())
    if Path(sys.prefix).resolve() != venv.resolve():
        os.execv(str(venv / "bin" / "python"), [str(venv / "bin" / "python"), __file__, *sys.argv[1:]])
    import run

    tools = run.Tools(args.tilefn)
    out = BENCH / "out" / "out.tif"
    out.parent.mkdir(parents=True, exist_ok=True)
    options = [*CREATION, "COMPRESS=NONE"]
    for name in args.job or FILES:
        job = JOBS[name]
        data = make_data(args.size // job.divisor, 12 if name == "cloud-free-median" else 0) / "none"
        inputs = inputs_of(name, data)
        rust = tools.command("tilefn", name, job, "none", out, inputs)
        python = [f"function.module={FILES[name]}" if str(word).startswith("function.module=") else word for word in rust]
        commands = {
            "numpy": [sys.executable, HERE / "competitors" / "with_numpy.py", FILES[name], out, *inputs],
            "python": python,
            "rust": rust,
        }
        if name in EXPRESSIONS:
            flags = ["-i", f"red={inputs[0]}", "-i", f"nir={inputs[1]}", "-o", out, "--workers", f"threads:{THREADS}"]
            settings = [f"outputs.result.options={json.dumps(options)}", "grid.skip_empty=false"]
            commands["expression"] = [tools.tilefn, "calc", "-q", EXPRESSIONS[name], *flags, *(w for s in settings for w in ("--set", s))]
        calc = tools.command("gdal_calc", name, job, "none", out, inputs)
        if calc:
            commands["gdal_calc"] = calc
        runs = run.take_turns(commands, out, args.turns, compared(out))
        for tool, measured in runs.items():
            against = {base: median(a.wall / b.wall for a, b in zip(measured, runs[base])) for base in ("numpy", "rust")}
            cpu = median(a.cpu / b.cpu for a, b in zip(measured, runs["numpy"]))
            print(
                f"{job.title}: {tool}: {median(r.wall for r in measured):.2f} s, {against['numpy']:.2f} × numpy, "
                f"{against['rust']:.2f} × Rust; processor {median(r.cpu for r in measured):.2f} s, {cpu:.2f} × numpy's; "
                f"{max(r.rss for r in measured):.0f} MB",
                flush=True,
            )


def compared(out):
    """Each tool's pixels against the first one's."""
    import numpy as np
    import rasterio

    first = []

    def check(tool):
        with rasterio.open(out) as dataset:
            pixels = dataset.read(1)
        first.append(pixels)
        both = np.isfinite(pixels) & np.isfinite(first[0])
        differ = np.mean(np.isfinite(pixels) != np.isfinite(first[0]))
        say(f"{tool}: largest difference from numpy {np.max(np.abs(pixels[both] - first[0][both])):.1e}, validity differs in {differ:.1e}")

    return check


if __name__ == "__main__":
    main()
