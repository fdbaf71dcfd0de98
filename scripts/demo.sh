#!/usr/bin/env bash
# Runs examples on real scenes: what `make demo` does. Usage: scripts/demo.sh TILEFN (the program)
# Results, pictures and the reports land in demo/; a second run replaces them.
set -euo pipefail
[ $# = 1 ] || { echo "usage: scripts/demo.sh TILEFN" >&2; exit 2; }
tilefn=$(realpath "$1")
cd "$(dirname "$0")/.."
say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }

say "scenes"
data=${TILEFN_DATA:-$HOME/.cache/tilefn/data}
TILEFN_DATA=$data scripts/fetch-data.sh olinda romania srtm
mkdir -p demo
ln -sfn "$(realpath "$data")" demo/data

examples=(ndvi cloud-free-median slope-hillshade land-cover-histogram)
for example in "${examples[@]}"; do
  say "$example"
  "$tilefn" -q build "examples/$example"
  "$tilefn" run "examples/$example/job.toml" --overwrite --report "demo/$example.json"
done
{
  printf '{\n'
  for example in "${examples[@]}"; do
    printf '"%s": ' "$example"
    cat "demo/$example.json"
    [ "$example" = "${examples[-1]}" ] || printf ','
  done
  printf '}\n'
} >demo/report.json
for example in "${examples[@]}"; do rm "demo/$example.json"; done

say "the same NDVI as an expression"
scene=demo/data/olinda/L7_ETMs.tif
"$tilefn" calc -i red=$scene:3 -i nir=$scene:4 "(nir - red) / (nir + red)" -o demo/ndvi-expression.tif --overwrite

say "the same NDVI in Python (the first time, its runtime is installed: 100 MB, about two minutes)"
if "$tilefn" python install; then
  "$tilefn" run examples/ndvi/job.toml --module examples/python/ndvi.py --set outputs.ndvi.path="$PWD/demo/ndvi-python.tif" --overwrite
else
  say "SKIPPED: Python functions, since their runtime can't be installed (the message above says why)"
fi

say "pictures"
"$tilefn" preview demo/data/olinda/L7_ETMs.tif --bands 4,3,2 -o demo/olinda.png
"$tilefn" preview demo/ndvi.tif --ramp rdylgn --range=-0.5,0.6 -o demo/ndvi.png
"$tilefn" preview demo/median-red.tif --ramp viridis -o demo/median-red.png
"$tilefn" preview demo/slope.tif --ramp viridis -o demo/slope.png
"$tilefn" preview demo/hillshade.tif -o demo/hillshade.png

cat >&2 <<END

Done. Look at
  $PWD/demo/ndvi.png        vegetation around Olinda, Brazil (the scene itself: olinda.png)
  $PWD/demo/median-red.png  140 Sentinel-2 dates over Romania without their clouds
  $PWD/demo/hillshade.png   terrain in eastern Turkey (its slope: slope.png)
  $PWD/demo/ndvi-expression.tif, ndvi-python.tif: the same pixels, said in two other ways
  $PWD/demo/report.json     what each run did, and the classes that land-cover-histogram counted
The rasters are beside them (*.tif). Each function is in examples/, with a page on how it works.
END
