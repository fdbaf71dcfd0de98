#!/usr/bin/env python3
"""Runs the benchmark: tilefn, the native twin and other tools, in turn, as whole processes; checks that they agree.

    bench/run.py --tilefn target/release/tilefn           everything; writes docs/performance.md and .png
    bench/run.py --tilefn target/release/tilefn --quick   small rasters, one codec: a smoke test that writes nothing

The tools take turns (A B C, A B C, …), so a machine that is slow for a while is slow for all, and each run's ratio to
the twin's run of the same turn is what counts. A first turn, not counted, fills the page cache and compiles what is
compiled at first use; its results are compared pixel by pixel. A tool that isn't there is skipped, loudly.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median

from suite import (
    BENCH,
    COPY,
    CREATION,
    FREE,
    HERE,
    JOBS,
    KINDS,
    OUTPUTS,
    RIOS,
    ROOT,
    THREADS,
    TOOLS,
    Run,
    inputs_of,
    make_data,
    ratios,
    say,
)

# Relative; means of float32 sums are rounded differently by the tools, everything else is equal to the last bit.
TOLERANCE = 1e-6


class Tools:
    """The commands of the tools that are there; `missing` says why the others aren't."""

    def __init__(self, tilefn):
        self.missing = {}
        say("building the native twin")
        command = ["cargo", "build", "--release", "--quiet", "--manifest-path", HERE / "Cargo.toml"]
        subprocess.run([*command, "--target-dir", BENCH / "target"], check=True)
        self.twin = BENCH / "target" / "release" / "twin"
        self.tilefn = Path(tilefn).resolve() if tilefn else None
        if not self.tilefn:
            self.missing["tilefn"] = "no --tilefn PROGRAM was given"
        elif not self.tilefn.exists():
            self.missing["tilefn"] = f"{tilefn} does not exist"
        else:
            self.modules = {name: self.module(name, job) for name, job in [*JOBS.items(), ("copy", COPY)]}
        if not shutil.which("gdal_calc.py"):
            self.missing["gdal_calc"] = "gdal_calc.py is not on the PATH (Debian: python3-gdal)"
        if subprocess.run([sys.executable, "-c", "import rios"], stderr=subprocess.DEVNULL, check=False).returncode:
            self.missing |= dict.fromkeys(RIOS, "Python cannot import rios (it is neither on PyPI nor in Debian)")
        elif not shutil.which("rios_computeworker") or subprocess.run([sys.executable, "-c", "import cloudpickle"], check=False).returncode:
            self.missing |= dict.fromkeys(list(RIOS)[1:], "rios_computeworker is not on the PATH or Python cannot import cloudpickle")
        for tool, reason in self.missing.items():
            say(f"SKIPPED {tool}: {reason}")

    def module(self, name, job):
        say(f"building {job.crate}")
        module = BENCH / "modules" / f"{name}.wasm"
        module.parent.mkdir(parents=True, exist_ok=True)
        command = [self.tilefn, "build", "--quiet", ROOT / job.crate, "--output", module]
        # One folder for all, so that the SDK is compiled once.
        subprocess.run(command, check=True, env=os.environ | {"CARGO_TARGET_DIR": str(BENCH / "target")})
        return module

    def command(self, tool, name, job, codec, out, inputs, tile=None):
        """The command line of a run; none where the tool can't do the job."""
        if tool in self.missing or (tool in KINDS and "tilefn" in self.missing) or (tool == "gdal_calc" and name.startswith("focal")):
            return None
        if tool == "twin":
            codec = [] if codec == FREE else ["--codec", codec]
            return [self.twin, name, out, *inputs, *codec, "--tile", tile or job.tile, "--threads", THREADS]
        if tool in KINDS:
            quoted = [json.dumps(str(path)) for path in inputs]
            if name == "cloud-free-median":
                half = len(quoted) // 2
                lists = {"images": quoted[:half], "classes": quoted[half:]}
                paths = [f"inputs.{key}.paths=[{','.join(value)}]" for key, value in lists.items()]
            else:
                names = ("red", "nir") if name == "ndvi" else ("image",)
                paths = [f"inputs.{key}.path={path}" for key, path in zip(names, quoted)]
            # The options of the twin and the others. By default tilefn takes another level, and predictor 3 for floats.
            options = [*CREATION, f"COMPRESS={codec.upper()}", *(["PREDICTOR=1"] if codec == "deflate" else [])]
            settings = [
                f"function.module={self.modules[name]}",
                f"workers.count={THREADS}",
                f"outputs.{job.output}.path={out}",
                *([] if codec == FREE else [f"outputs.{job.output}.options={json.dumps(options)}"]),
                *paths,
                *([f"grid.tile=[{tile},{tile}]"] if tile else []),
            ]
            flags = [word for setting in settings for word in ("--set", setting)]
            return [self.tilefn, "run", HERE / "jobs" / f"{name}.toml", "--quiet", "--report", report_of(out), *flags, *KINDS[tool]]
        script = HERE / "competitors"
        if tool == "gdal_calc":
            return [script / "with-gdal-calc.sh", name, out, codec, *inputs]
        if tool in RIOS:
            return [sys.executable, script / "with_rios.py", RIOS[tool], name, out, codec, *inputs]
        return [sys.executable, script / f"with_{tool}.py", name, out, codec, *inputs]


def report_of(out):
    return out.with_suffix(".json")


def run(command, out):
    """Runs a command to its end, its output file removed before."""
    for old in (out, report_of(out)):
        old.unlink(missing_ok=True)
    log = BENCH / "out" / "log"
    words = [sys.executable, "-I", "-S", HERE / "measure.py", log, *command]
    printed = subprocess.run([str(word) for word in words], check=True, stdout=subprocess.PIPE).stdout
    code, *figures = json.loads(printed)
    if code:
        sys.exit(f"bench: {' '.join(map(str, command))}\nfailed with {code}:\n{log.read_text()}")
    return Run(*figures, out.stat().st_size / 1e6)


def take_turns(commands, out, turns, first=None):
    """Runs the commands in turn; `first` is called after each one's run of the uncounted first turn."""
    runs = {key: [] for key in commands}
    for turn in range(turns + 1):
        for key, command in commands.items():
            result = run(command, out)
            if turn:
                runs[key].append(result)
            elif first:
                first(key)
    return runs


def measure_job(tools, name, size, codec, turns):
    """The runs of every tool that can do the job, and each one's largest difference from the twin."""
    import rasterio

    from reference import difference

    job = JOBS[name]
    data = make_data(size // job.divisor, 12 if name == "cloud-free-median" else 0)
    inputs = inputs_of(name, data / ("deflate" if codec == FREE else codec))
    out = BENCH / "out" / "out.tif"
    commands = {tool: tools.command(tool, name, job, codec, out, inputs) for tool in TOOLS}
    commands = {tool: command for tool, command in commands.items() if command}
    twin, differences = [], {}

    def check(tool):
        with rasterio.open(out) as dataset:
            pixels = dataset.read(1)
        if tool == "twin":
            twin.append(pixels)
        differences[tool] = difference(pixels, twin[0])
        if differences[tool] > TOLERANCE:
            sys.exit(f"bench: {name}, {codec}: {tool}'s pixels differ from the twin's by {differences[tool]}")

    runs = take_turns(commands, out, turns, check)
    return runs, differences


def measure_overhead(tools, size, turns):
    """The cost of a tile beyond the native program, by tile size, in microseconds; and the cost of the start, in seconds.

    Both copy an uncompressed raster. A run of one small tile is taken off, so that the start doesn't count.
    """
    out = BENCH / "out" / "out.tif"

    def both(side, tile):
        inputs = inputs_of("copy", make_data(side) / "none")
        commands = {t: tools.command(t, "copy", COPY, "none", out, inputs, tile) for t in ("twin", "tilefn")}
        # Many short runs, because the differences are small.
        runs = take_turns(commands, out, 4 * turns)
        return {t: {f: median(getattr(r, f) for r in runs[t]) for f in ("wall", "cpu")} for t in runs}

    start = both(64, 64)
    rows = []
    for tile in (64, 128, 256, 512, 1024, 2048):
        if tile > size:
            break
        tiles = (-(-size // tile)) ** 2
        result = both(size, tile)
        extra = {
            f: (result["tilefn"][f] - start["tilefn"][f] - result["twin"][f] + start["twin"][f]) / tiles * 1e6
            for f in ("wall", "cpu")
        }
        rows.append({"tile": tile, "tiles": tiles, **result, "extra": extra})
        say(f"copy, tiles of {tile}²: {extra['cpu']:.0f} µs of processor time a tile more than native")
    return {"start": start, "rows": rows}


def machine():
    import rasterio

    def first(command):
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[0]

    cpu = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{cpu}, {os.cpu_count()} processors, {memory:.0f} GiB of memory, {platform.system()} {platform.release()}; "
        f"{first(['gdalinfo', '--version']).split(',')[0]}, {' '.join(first(['rustc', '--version']).split()[:2])}, "
        f"Python {platform.python_version()}, rasterio {rasterio.__version__} with GDAL {rasterio.__gdal_version__}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tilefn", help="the program to measure; without it, only the others are")
    parser.add_argument("--quick", action="store_true", help="rasters of 2048², one codec, one turn; writes nothing")
    parser.add_argument("--size", type=int, help="side of the large rasters in pixels (default 8192)")
    parser.add_argument("--turns", type=int, help="counted runs of each tool (default 5)")
    parser.add_argument("--job", choices=JOBS, action="append", help="only this job; writes nothing")
    args = parser.parse_args()
    size = args.size or (2048 if args.quick else 8192)
    turns = args.turns or (1 if args.quick else 5)

    # The environment with numpy, rasterio and the rest, whatever Python started this.
    venv = Path(
        subprocess.run([HERE / "setup-competitors.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    )
    if Path(sys.prefix).resolve() != venv.resolve():
        python = str(venv / "bin" / "python")
        os.execv(python, [python, __file__, *sys.argv[1:]])
    subprocess.run([ROOT / "scripts" / "fetch-data.sh", "landsat8"], check=True, stdout=sys.stderr)
    import report

    (BENCH / "out").mkdir(parents=True, exist_ok=True)
    tools = Tools(args.tilefn)
    load = os.getloadavg()[0]
    results = {}
    for codec in ["deflate"] if args.quick else OUTPUTS:
        # With their defaults the tools write different files, but calculate the same: one job shows it.
        for name in args.job or (["ndvi"] if codec == FREE else JOBS):
            runs, differences = measure_job(tools, name, size, codec, turns)
            results[name, codec] = runs
            for tool, measured in runs.items():
                wall, cpu = (median(getattr(r, f) for r in measured) for f in ("wall", "cpu"))
                ratio = median(ratios(measured, runs["twin"], "wall"))
                say(f"{name}, {codec}: {tool} {wall:.2f} s ({ratio:.2f} × the twin), processor {cpu:.2f} s, "
                    f"pixels within {differences[tool]:.1e}")  # fmt: skip
    overhead = None if "tilefn" in tools.missing or args.job else measure_overhead(tools, size // 2, turns)
    shutil.rmtree(BENCH / "out")
    if not args.quick and not args.job:
        report.write(ROOT / "docs", results, overhead, tools.missing, machine(), load, size, turns)


if __name__ == "__main__":
    main()
