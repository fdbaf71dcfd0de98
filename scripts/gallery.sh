#!/usr/bin/env bash
# Runs every job of examples/gallery and draws the pictures of docs/gallery.md. Usage: scripts/gallery.sh TILEFN (the program)
# A job's second line says how its first output is shown. Python jobs need `tilefn python install`, once.
set -euo pipefail
[ $# = 1 ] || { echo "usage: scripts/gallery.sh TILEFN" >&2; exit 2; }
tilefn=$(realpath "$1")
cd "$(dirname "$0")/.."
data=${TILEFN_DATA:-$HOME/.cache/tilefn/data}
TILEFN_DATA=$data scripts/fetch-data.sh olinda romania srtm
mkdir -p demo docs/images/gallery
ln -sfn "$(realpath "$data")" demo/data
for job in examples/gallery/*.toml; do
  name=$(basename "$job" .toml)
  "$tilefn" -q run "$job" --overwrite --make-folders
  read -ra how < <(sed -n '2s/^# preview: *//p' "$job")
  "$tilefn" -q preview "demo/gallery/$name.tif" -o "docs/images/gallery/$name.png" --size 112 "${how[@]}"
done
find docs/images/gallery -size +40k -exec echo "larger than 40 kB:" {} +
