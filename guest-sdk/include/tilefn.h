/* The ABI between tilefn and a module's functions, version 1, for C and C++.
 *
 * The structs are those of the crate tilefn-abi, field by field; docs/abi.md explains them. Below them are helpers that
 * make a function short; a module can do without them. A module for clang's wasm32 target without a libc:
 *
 *     #include "tilefn.h"
 *
 *     TILEFN_MODULE
 *     TILEFN_DESCRIBE("twice", "{\"name\":\"twice\", … }")
 *     TILEFN_PROCESS("twice", twice) {
 *         const tilefn_raster *in = tilefn_input_raster(call, 0, 0);
 *         …
 *     }
 */
#ifndef TILEFN_H
#define TILEFN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define TILEFN_ASSERT(condition) static_assert(condition, #condition)
#define TILEFN_EXTERN_C extern "C"
extern "C" {
#else
#define TILEFN_ASSERT(condition) _Static_assert(condition, #condition)
#define TILEFN_EXTERN_C
#endif

/* ---- The contract ------------------------------------------------------------------------------------------------ */

/* An address is a byte of the module's memory; an offset counts from the first byte of the call block. */
typedef uint32_t tilefn_address;

/* Kinds of texts for tilefn_report. */
enum {
    TILEFN_INFO = 1,    /* a line for the log */
    TILEFN_WARNING = 2, /* for the log and the run's report */
    TILEFN_ERROR = 3,   /* why the function failed; return 0 next */
    TILEFN_PANIC = 4    /* trap next */
};

/* Pixel types. */
enum {
    TILEFN_UINT8 = 1,
    TILEFN_INT8 = 2,
    TILEFN_UINT16 = 3,
    TILEFN_INT16 = 4,
    TILEFN_UINT32 = 5,
    TILEFN_INT32 = 6,
    TILEFN_UINT64 = 7,
    TILEFN_INT64 = 8,
    TILEFN_FLOAT32 = 9,
    TILEFN_FLOAT64 = 10
};

/* Types of parameters. */
enum { TILEFN_BOOL = 1, TILEFN_INT = 2, TILEFN_FLOAT = 3, TILEFN_TEXT = 4, TILEFN_BYTES = 5 };

/* A run of items in the call block. Texts are UTF-8 without a closing zero. */
typedef struct {
    uint32_t offset;
    uint32_t len; /* items; bytes of a text */
} tilefn_slice;

/* The block that process is given: one tile, all its inputs, all parameters. Aligned to 16 bytes. */
typedef struct {
    uint32_t size; /* bytes of the whole block */
    uint32_t halo; /* extra pixels on each of the four sides of every input raster */
    uint64_t tile_index; /* row-major from the top left */
    uint64_t tile_count;
    uint32_t tile_row; /* in the matrix of tiles */
    uint32_t tile_col;
    uint32_t tile_rows; /* of the matrix of tiles */
    uint32_t tile_cols;
    uint32_t row; /* first grid row and column of the tile, without halo */
    uint32_t col;
    uint32_t rows; /* pixels of the tile, without halo: what every output must have */
    uint32_t cols;
    uint32_t grid_rows;
    uint32_t grid_cols;
    double geotransform[6]; /* GDAL's order: x0, dx, rx, y0, ry, dy */
    tilefn_slice crs;       /* WKT; empty when there is none */
    tilefn_slice params;    /* tilefn_param, in the order of the description */
    tilefn_slice inputs;    /* tilefn_input, in the order of the description */
    tilefn_slice outputs;   /* tilefn_output, in the order of the description */
} tilefn_call;

/* A parameter's value. */
typedef struct {
    uint32_t kind; /* TILEFN_BOOL … TILEFN_BYTES */
    uint32_t list; /* 1 when it is a list */
    uint64_t bits; /* a single bool (0 or 1), int64_t, or double, as its bits */
    tilefn_slice items; /* a text's or a file's bytes; a list's uint64_t bits, or a tilefn_slice for each text */
} tilefn_param;

/* A named input: one raster, as many as its list has, or none when it is optional and absent. */
typedef struct {
    tilefn_slice name;
    tilefn_slice rasters; /* tilefn_raster */
} tilefn_input;

/* The pixels of one file under this tile: [bands][rows][cols], halo included. */
typedef struct {
    uint32_t dtype; /* TILEFN_UINT8 … TILEFN_FLOAT64 */
    uint32_t bands;
    uint32_t rows; /* halo included */
    uint32_t cols;
    tilefn_address data; /* aligned to 16 bytes */
    uint32_t reserved;
    tilefn_slice path;
    tilefn_slice band_info; /* tilefn_band, one for each band */
} tilefn_raster;

/* A band's nodata value and name. */
typedef struct {
    uint64_t nodata; /* the bits of a double for a float raster, else the integer, sign-extended */
    uint32_t has_nodata;
    uint32_t reserved;
    tilefn_slice name;
} tilefn_band;

/* A named output, and the number of its files in the job. */
typedef struct {
    tilefn_slice name;
    uint32_t rasters; /* files, hence rasters to return; 0 when the job leaves the output out */
    uint32_t reserved;
} tilefn_output;

/* One output raster: [bands][rows][cols], without halo. */
typedef struct {
    uint64_t nodata; /* marks pixels without a value, encoded as in tilefn_band; no valid pixel of this raster may
                      * have it; NaN marks them too, always */
    uint32_t has_nodata;
    uint32_t dtype;
    uint32_t bands;
    uint32_t rows; /* the tile's */
    uint32_t cols;
    tilefn_address data; /* aligned to the pixel type */
} tilefn_out_raster;

/* The rasters of one output. */
typedef struct {
    tilefn_address rasters; /* tilefn_out_raster */
    uint32_t count;
} tilefn_raster_list;

/* The result of process, merge and finish: they return its address. */
typedef struct {
    tilefn_address outputs; /* tilefn_raster_list, one for each output in the order of the description */
    uint32_t output_count;
    tilefn_address state; /* of an accumulating function; from finish: JSON text */
    uint32_t state_len;
} tilefn_outcome;

TILEFN_ASSERT(sizeof(tilefn_slice) == 8);
TILEFN_ASSERT(sizeof(tilefn_call) == 144);
TILEFN_ASSERT(sizeof(tilefn_param) == 24);
TILEFN_ASSERT(sizeof(tilefn_input) == 16);
TILEFN_ASSERT(sizeof(tilefn_raster) == 40);
TILEFN_ASSERT(sizeof(tilefn_band) == 24);
TILEFN_ASSERT(sizeof(tilefn_output) == 16);
TILEFN_ASSERT(sizeof(tilefn_outcome) == 16);
TILEFN_ASSERT(sizeof(tilefn_raster_list) == 8);
TILEFN_ASSERT(sizeof(tilefn_out_raster) == 32);

/* The host's import. */
__attribute__((import_module("tilefn"), import_name("report")))
void tilefn_report(uint32_t kind, const char *text, uint32_t len);

/* The allocator that a module exports: len bytes aligned to align (a power of two), or 0. Nothing is ever freed: an instance
 * lives for one tile. TILEFN_MODULE defines it. */
tilefn_address tilefn_alloc(uint32_t len, uint32_t align);

/* ---- Exports ----------------------------------------------------------------------------------------------------- */

#define TILEFN_EXPORT(name) TILEFN_EXTERN_C __attribute__((export_name(name), used))
#define TILEFN_JOIN_(a, b) a##b
#define TILEFN_JOIN(a, b) TILEFN_JOIN_(a, b)

/* Once in a module without a libc: the version marker, and tilefn_alloc from the memory behind the data, also from what
 * the host adds to it. */
#define TILEFN_MODULE                                                                                                  \
    TILEFN_MARKER_                                                                                                     \
    TILEFN_EXTERN_C unsigned char __heap_base;                                                                         \
    static uint64_t tilefn_end_;                                                                                       \
    TILEFN_EXPORT("tilefn_alloc") tilefn_address tilefn_alloc(uint32_t len, uint32_t align) {                          \
        if (align == 0 || (align & (align - 1)) != 0) return 0;                                                        \
        uint64_t next = tilefn_end_ ? tilefn_end_ : (uintptr_t)&__heap_base;                                           \
        uint64_t start = (next + align - 1) & ~(uint64_t)(align - 1);                                                  \
        uint64_t end = start + len, pages = (end + 65535) / 65536, have = __builtin_wasm_memory_size(0);               \
        if (pages > have && __builtin_wasm_memory_grow(0, (size_t)(pages - have)) == (size_t)-1) return 0;             \
        tilefn_end_ = end;                                                                                             \
        return (tilefn_address)start;                                                                                  \
    }                                                                                                                  \
    TILEFN_EXPORT("tilefn_memory_used") uint32_t tilefn_memory_used(void) { return (uint32_t)tilefn_end_; }

/* Once in a module with a libc (wasi-sdk); include <stdlib.h>. */
#define TILEFN_MODULE_LIBC                                                                                             \
    TILEFN_MARKER_                                                                                                     \
    TILEFN_EXPORT("tilefn_alloc") tilefn_address tilefn_alloc(uint32_t len, uint32_t align) {                          \
        uint64_t size = ((uint64_t)len + align) / align * align;                                                       \
        return size > UINT32_MAX ? 0 : (tilefn_address)(uintptr_t)aligned_alloc(align, (size_t)size);                  \
    }

#define TILEFN_MARKER_                                                                                                 \
    TILEFN_EXPORT("tilefn_abi_v1") void tilefn_abi_v1(void) {}

/* describe:NAME for a JSON text; both are string literals. */
#define TILEFN_DESCRIBE(name, json)                                                                                    \
    TILEFN_EXPORT("describe:" name) uint64_t TILEFN_JOIN(tilefn_describe_, __LINE__)(void) {                           \
        return (uint64_t)(uintptr_t)(json) << 32 | (sizeof(json) - 1);                                                 \
    }

/* process:NAME; the function's body follows, with `const tilefn_call *call`. It returns the result of tilefn_return or
 * tilefn_fail. */
#define TILEFN_PROCESS(name, function)                                                                                 \
    static tilefn_address function(const tilefn_call *call);                                                           \
    TILEFN_EXPORT("process:" name) tilefn_address TILEFN_JOIN(tilefn_process_, __LINE__)(tilefn_address call) {        \
        return function((const tilefn_call *)(uintptr_t)call);                                                         \
    }                                                                                                                  \
    static tilefn_address function(const tilefn_call *call)

/* ---- Reading a call ---------------------------------------------------------------------------------------------- */

/* The first item of a slice. */
static inline const void *tilefn_items(const tilefn_call *call, tilefn_slice slice) {
    return (const char *)call + slice.offset;
}

/* A parameter by its number in the description. */
static inline const tilefn_param *tilefn_get_param(const tilefn_call *call, uint32_t number) {
    return (const tilefn_param *)tilefn_items(call, call->params) + number;
}

static inline int64_t tilefn_param_int(const tilefn_call *call, uint32_t number) {
    return (int64_t)tilefn_get_param(call, number)->bits;
}

static inline double tilefn_param_float(const tilefn_call *call, uint32_t number) {
    double value;
    __builtin_memcpy(&value, &tilefn_get_param(call, number)->bits, sizeof value);
    return value;
}

/* An input by its number in the description. */
static inline const tilefn_input *tilefn_get_input(const tilefn_call *call, uint32_t number) {
    return (const tilefn_input *)tilefn_items(call, call->inputs) + number;
}

/* A raster of an input; NULL when the input doesn't have so many. */
static inline const tilefn_raster *tilefn_input_raster(const tilefn_call *call, uint32_t input, uint32_t number) {
    tilefn_slice rasters = tilefn_get_input(call, input)->rasters;
    return number < rasters.len ? (const tilefn_raster *)tilefn_items(call, rasters) + number : NULL;
}

/* A raster's band, counted from 0. */
static inline const tilefn_band *tilefn_get_band(const tilefn_call *call, const tilefn_raster *raster, uint32_t band) {
    return (const tilefn_band *)tilefn_items(call, raster->band_info) + band;
}

/* The nodata value of a float raster's band; NaN when it has none, which marks invalid pixels anyway. */
static inline double tilefn_nodata_float(const tilefn_band *band) {
    double value;
    __builtin_memcpy(&value, &band->nodata, sizeof value);
    return band->has_nodata ? value : (double)__builtin_nanf("");
}

/* The first pixel. Band b, row r, column c is at [(b * raster->rows + r) * raster->cols + c]. */
static inline const void *tilefn_pixels(const tilefn_raster *raster) {
    return (const void *)(uintptr_t)raster->data;
}

/* ---- Answering --------------------------------------------------------------------------------------------------- */

static inline uint32_t tilefn_strlen_(const char *text) {
    uint32_t len = 0;
    while (text[len] != 0) len++;
    return len;
}

/* A line for the log. */
static inline void tilefn_info(const char *text) {
    tilefn_report(TILEFN_INFO, text, tilefn_strlen_(text));
}

/* Reports why the function failed; `return tilefn_fail("…");` */
static inline tilefn_address tilefn_fail(const char *text) {
    tilefn_report(TILEFN_ERROR, text, tilefn_strlen_(text));
    return 0;
}

/* Bytes of one pixel. */
static inline uint32_t tilefn_dtype_size(uint32_t dtype) {
    return dtype <= TILEFN_INT8 ? 1 : dtype <= TILEFN_INT16 ? 2 : dtype <= TILEFN_INT32 || dtype == TILEFN_FLOAT32 ? 4 : 8;
}

/* A raster of the tile's size with pixels to be written, all of them; data is 0 when there is no memory. */
static inline tilefn_out_raster tilefn_new_raster(const tilefn_call *call, uint32_t dtype, uint32_t bands) {
    uint64_t bytes = (uint64_t)bands * call->rows * call->cols;
    uint32_t size = tilefn_dtype_size(dtype);
    tilefn_address data = bytes > UINT32_MAX / size ? 0 : tilefn_alloc((uint32_t)bytes * size, 16);
    tilefn_out_raster raster = {0, 0, dtype, bands, call->rows, call->cols, data};
    return raster;
}

/* The outcome of a function with `count` outputs of one raster each, in the order of the description. */
static inline tilefn_address tilefn_return(const tilefn_out_raster *outputs, uint32_t count) {
    tilefn_outcome *outcome = (tilefn_outcome *)(uintptr_t)tilefn_alloc(sizeof(tilefn_outcome), 8);
    tilefn_raster_list *lists = (tilefn_raster_list *)(uintptr_t)tilefn_alloc(count * sizeof(tilefn_raster_list), 8);
    tilefn_out_raster *rasters = (tilefn_out_raster *)(uintptr_t)tilefn_alloc(count * sizeof(tilefn_out_raster), 8);
    if (outcome == NULL || lists == NULL || rasters == NULL) return tilefn_fail("out of memory");
    for (uint32_t i = 0; i < count; i++) {
        rasters[i] = outputs[i];
        lists[i].rasters = (tilefn_address)(uintptr_t)&rasters[i];
        lists[i].count = 1;
    }
    outcome->outputs = (tilefn_address)(uintptr_t)lists;
    outcome->output_count = count;
    outcome->state = 0;
    outcome->state_len = 0;
    return (tilefn_address)(uintptr_t)outcome;
}

#ifdef __cplusplus
}
#endif

#endif
