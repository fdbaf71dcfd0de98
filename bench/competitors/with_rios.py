"""A benchmark job with RIOS 2: two compute threads, one reading thread, the same tile and creation options as the twin.

with_rios.py JOB OUT CODEC INPUT...
"""

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


def main(job, out, codec, *paths):
    inputs, outputs, otherargs = applier.FilenameAssociations(), applier.FilenameAssociations(), applier.OtherInputs()
    inputs.bands = list(paths)
    outputs.out = out
    otherargs.job = job
    controls = applier.ApplierControls()
    controls.setWindowSize(TILE, TILE)
    if job.startswith("focal"):
        controls.setOverlap(kernels.RADIUS)
    controls.setOutputDriverName("GTiff")
    blocks = ["TILED=YES", "BLOCKXSIZE=256", "BLOCKYSIZE=256"]
    controls.setCreationOptions([*blocks, "BIGTIFF=IF_SAFER", "NUM_THREADS=2", f"COMPRESS={codec.upper()}"])
    controls.setCalcStats(False)
    controls.setConcurrencyStyle(
        applier.ConcurrencyStyle(numReadWorkers=1, numComputeWorkers=2, computeWorkerKind=applier.CW_THREADS)
    )
    applier.apply(run, inputs, outputs, otherargs, controls=controls)


if __name__ == "__main__":
    main(*sys.argv[1:])
