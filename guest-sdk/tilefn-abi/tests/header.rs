//! The C header says what this crate says: sizes, and where each field begins.

use std::{fmt::Write, mem::offset_of, path::Path, process::Command};

use tilefn_abi::*;

macro_rules! layout {
    ($($type:ident $c:literal: $($field:ident),+;)+) => {{
        let mut asserts = String::new();
        $(
            let _ = writeln!(asserts, "_Static_assert(sizeof({}) == {}, \"\");", $c, size_of::<$type>());
            $(
                let at = offset_of!($type, $field);
                let field = stringify!($field);
                let _ = writeln!(asserts, "_Static_assert(offsetof({}, {field}) == {at}, \"{field}\");", $c);
            )+
        )+
        asserts
    }};
}

#[test]
fn structs_are_laid_out_alike() {
    let mut source = String::from("#include \"tilefn.h\"\n");
    source += &layout! {
        Slice "tilefn_slice": offset, len;
        Call "tilefn_call": size, halo, tile_index, tile_count, tile_row, tile_col, tile_rows, tile_cols, row, col, rows,
            cols, grid_rows, grid_cols, geotransform, crs, params, inputs, outputs;
        Param "tilefn_param": kind, list, bits, items;
        Input "tilefn_input": name, rasters;
        Raster "tilefn_raster": dtype, bands, rows, cols, data, reserved, path, band_info;
        Band "tilefn_band": nodata, has_nodata, reserved, name;
        Output "tilefn_output": name, rasters, reserved;
        Outcome "tilefn_outcome": outputs, output_count, state, state_len;
        RasterList "tilefn_raster_list": rasters, count;
        OutRaster "tilefn_out_raster": nodata, has_nodata, dtype, bands, rows, cols, data;
    };
    for dtype in DType::ALL {
        let name = dtype.name().to_uppercase();
        let _ = writeln!(source, "_Static_assert(TILEFN_{name} == {}, \"\");", dtype as u32);
    }
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("layout.c");
    std::fs::write(&path, source).unwrap();
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("../include");
    let status = Command::new("clang")
        .args([
            "--target=wasm32",
            "-fsyntax-only",
            "-std=c11",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-Wno-unused-function",
            "-I",
        ])
        .arg(include)
        .arg(path)
        .status();
    assert!(status.expect("clang is needed").success());
}
