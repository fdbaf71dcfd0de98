"""Shared by the benchmark's scripts: the jobs, their files, and the measures of a run."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BENCH = Path(os.environ.get("TILEFN_BENCH", Path.home() / ".cache" / "tilefn" / "bench"))
THREADS = 2
BLOCK = 256
CODECS = {"none": "uncompressed", "deflate": "DEFLATE"}
# DEFLATE inputs, and an output for which no tool is given an option.
FREE = "as-it-comes"
OUTPUTS = CODECS | {FREE: "as it comes"}
CREATION = ["TILED=YES", f"BLOCKXSIZE={BLOCK}", f"BLOCKYSIZE={BLOCK}", "BIGTIFF=IF_SAFER", f"NUM_THREADS={THREADS}"]
# tilefn with threads; with two worker processes that read their inputs, or that are sent their pixels.
KINDS = {
    "tilefn": [],
    "tilefn-reading": ["--workers", f"processes:{THREADS}", "--set", "workers.reads=worker"],
    "tilefn-sent": ["--workers", f"processes:{THREADS}", "--set", "workers.reads=controller"],
}
# RIOS with two compute threads; with two worker processes that read their inputs, or that are sent their pixels.
RIOS = {"rios": "threads", "rios-reading": "reading", "rios-sent": "sent"}
TOOLS = ("twin", *KINDS, "rasterio", *RIOS, "gdal_calc")


@dataclasses.dataclass(frozen=True)
class Job:
    title: str
    crate: str  # the guest function's folder
    output: str  # its output's name
    divisor: int  # the raster's side is the benchmark's size over this
    tile: int = 512  # side of the twin's tiles, the fastest for it


JOBS = {
    "ndvi": Job("J1 NDVI", "examples/ndvi", "ndvi", 1),
    "focal-mean": Job("J2 focal mean 5 × 5", "examples/focal-mean", "focal_mean", 1),
    "cloud-free-median": Job("J3 median of 12 dates", "examples/cloud-free-median", "cloud_free_median", 2, tile=256),
    "focal-median": Job("J4 focal median 5 × 5", "bench/functions/focal-median", "focal_median", 2),
}
COPY = Job("copy", "bench/functions/copy", "copy", 1)


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def inputs_of(job, directory):
    """The job's input files, in the order that every tool takes them."""
    if job == "cloud-free-median":
        return sorted(directory.glob("date*.tif")) + sorted(directory.glob("cloud*.tif"))
    return [directory / f"{name}.tif" for name in (("red", "nir") if job == "ndvi" else ("red",))]


def make_data(size, dates=0):
    """The directory of the benchmark rasters of this size, made if need be."""
    command = [sys.executable, HERE / "make-data.py", "--size", size, "--block", BLOCK, "--dates", dates]
    return Path(subprocess.run(map(str, command), check=True, stdout=subprocess.PIPE, text=True).stdout.strip())


@dataclasses.dataclass(frozen=True)
class Run:
    """One process: seconds by the clock, processor seconds, megabytes at its largest, and those of its output file."""

    wall: float
    cpu: float
    rss: float
    size: float


def ratios(runs, base, field):
    return [getattr(a, field) / getattr(b, field) for a, b in zip(runs, base)]
