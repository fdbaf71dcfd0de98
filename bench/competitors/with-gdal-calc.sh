#!/bin/sh
# A benchmark job with gdal_calc: with-gdal-calc.sh ndvi|cloud-free-median OUT CODEC INPUT...
# It has no neighbourhoods, so the focal jobs are not possible; it runs on one thread, but compresses on two.
set -eu
job=$1 out=$2 codec=$3
shift 3
case $job in
    ndvi)
        calc='where((A==0)|(B==0), nan, (B.astype(float32)-A)/(B.astype(float32)+A))' ;;
    cloud-free-median)
        # A to L are the dates, M to X their masks.
        calc='nanmedian(where((array([A,B,C,D,E,F,G,H,I,J,K,L])==0)|(array([M,N,O,P,Q,R,S,T,U,V,W,X])!=0), nan, array([A,B,C,D,E,F,G,H,I,J,K,L]).astype(float32)), axis=0)' ;;
    *)
        echo "with-gdal-calc: $job has no gdal_calc equivalent" >&2
        exit 2 ;;
esac
letter=A
for input; do
    set -- "$@" "-$letter" "$input"
    shift
    letter=$(echo "$letter" | tr A-W B-X)
done
if [ "$codec" != as-it-comes ]; then
    for option in TILED=YES BLOCKXSIZE=256 BLOCKYSIZE=256 BIGTIFF=IF_SAFER NUM_THREADS=2 "COMPRESS=$codec"; do
        set -- "$@" --co "$option"
    done
fi
# GDAL 3.6's gdal_calc multiplies its results by the nodata value, so NaN is put in by the expression instead.
exec gdal_calc.py "$@" --calc "$calc" --outfile "$out" --type Float32 --NoDataValue nan --hideNoData --quiet --overwrite
