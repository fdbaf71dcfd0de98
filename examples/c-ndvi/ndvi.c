/* Normalised difference vegetation index in C: the same as examples/ndvi, without Rust. */
#include "tilefn.h"

TILEFN_MODULE

TILEFN_DESCRIBE("ndvi",
    "{\"name\":\"ndvi\",\"doc\":\"Normalised difference vegetation index.\","
    "\"inputs\":[{\"name\":\"red\",\"dtype\":\"float32\",\"list\":false,\"optional\":false,\"doc\":\"\"},"
    "{\"name\":\"nir\",\"dtype\":\"float32\",\"list\":false,\"optional\":false,\"doc\":\"\"}],"
    "\"params\":[],"
    "\"outputs\":[{\"name\":\"ndvi\",\"dtype\":\"float32\",\"list\":false,\"nodata\":null,\"doc\":\"\"}],"
    "\"halo\":0,\"reduce\":false}")

/* One band. The host never passes overlapping rasters; saying so lets clang use vectors. */
static void ndvi_band(float *restrict out, const float *restrict red, const float *restrict nir, uint32_t count,
                      float red_nodata, float nir_nodata) {
    for (uint32_t i = 0; i < count; i++) {
        float r = red[i], n = nir[i];
        /* NaN compares unequal to itself and to any nodata value; computed for all pixels, chosen for the valid ones. */
        int valid = (r != red_nodata) & (n != nir_nodata);
        float index = (n - r) / (n + r);
        out[i] = valid ? index : __builtin_nanf("");
    }
}

TILEFN_PROCESS("ndvi", ndvi) {
    const tilefn_raster *red = tilefn_input_raster(call, 0, 0), *nir = tilefn_input_raster(call, 1, 0);
    if (red->bands != nir->bands) return tilefn_fail("red and nir must have the same number of bands");
    tilefn_out_raster out = tilefn_new_raster(call, TILEFN_FLOAT32, red->bands);
    if (out.data == 0) return tilefn_fail("out of memory");
    uint32_t count = call->rows * call->cols;
    for (uint32_t band = 0; band < red->bands; band++) {
        ndvi_band((float *)(uintptr_t)out.data + band * count,
                  (const float *)tilefn_pixels(red) + band * count,
                  (const float *)tilefn_pixels(nir) + band * count, count,
                  (float)tilefn_nodata_float(tilefn_get_band(call, red, band)),
                  (float)tilefn_nodata_float(tilefn_get_band(call, nir, band)));
    }
    return tilefn_return(&out, 1);
}
