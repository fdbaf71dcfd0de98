"""A benchmark job with RIOS 2: two compute workers, the same tile and creation options as the twin.

with_rios.py threads|reading|sent JOB OUT CODEC INPUT...

The workers are threads, or processes that read their inputs, or that are sent their pixels; whoever reads has one
reading thread. The processes are RIOS's command rios_computeworker, which must be on the PATH.
"""

import os
import sys

import kernels
import numpy as np
from rios import applier

TILE = 512


def run(info, inputs, outputs, otherargs):
    job = otherargs.job
    if job == "ndvi":
        red, nir = (band[0].astype(np.float32) for band in inputs.bands)
        result = kernels.ndvi(red, nir)
    elif job == "cloud-free-median":
        half = len(inputs.bands) // 2
        dates = np.stack([band[0].astype(np.float32) for band in inputs.bands[:half]])
        result = kernels.cloud_free_median(dates, np.stack([band[0] for band in inputs.bands[half:]]))
    else:
        function = {"focal-mean": kernels.focal_mean, "focal-median": kernels.focal_median}[job]
        # RIOS cuts the margin off itself.
        result = np.pad(function(inputs.bands[0][0].astype(np.float32)), kernels.RADIUS)
    outputs.out = result[np.newaxis]


def main(kind, job, out, codec, *paths):
    inputs, outputs, otherargs = applier.FilenameAssociations(), applier.FilenameAssociations(), applier.OtherInputs()
    inputs.bands = list(paths)
    outputs.out = out
    otherargs.job = job
    controls = applier.ApplierControls()
    controls.setWindowSize(TILE, TILE)
    if job.startswith("focal"):
        controls.setOverlap(kernels.RADIUS)
    controls.setOutputDriverName("GTiff")
    if codec != "as-it-comes":
        blocks = ["TILED=YES", "BLOCKXSIZE=256", "BLOCKYSIZE=256"]
        controls.setCreationOptions([*blocks, "BIGTIFF=IF_SAFER", "NUM_THREADS=2", f"COMPRESS={codec.upper()}"])
    controls.setCalcStats(False)
    controls.setStatsIgnore(np.nan)
    # By default RIOS puts its temporary folder into the working directory.
    controls.setTempdir(os.path.dirname(os.path.abspath(out)))
    # The worker processes inherit both. The block cache is as large as rasterio's, since GDAL's default is slower; the user function is
    # sent to them, kernels they import themselves.
    os.environ["GDAL_CACHEMAX"] = "64"
    here = os.path.dirname(os.path.abspath(__file__))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
    controls.setConcurrencyStyle(
        applier.ConcurrencyStyle(
            numReadWorkers=1,
            numComputeWorkers=2,
            computeWorkerKind=applier.CW_THREADS if kind == "threads" else applier.CW_SUBPROC,
            computeWorkersRead=kind == "reading",
            computeBarrierTimeout=60,
        )
    )
    applier.apply(run, inputs, outputs, otherargs, controls=controls)


if __name__ == "__main__":
    main(*sys.argv[1:])
