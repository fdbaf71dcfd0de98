//! Functions that go wrong.

use tilefn_guest::prelude::*;

/// Goes wrong in tile `at`, in the way that `how` says.
#[tile_function]
fn fail(
    image: Tile<u8>,
    #[param] how: String,
    #[param(default = 0, min = 0)] at: u64,
    ctx: &Context,
) -> Result<Tile<u8>, Error> {
    if ctx.index() != at {
        return Ok(image);
    }
    let [bands, rows, cols] = image.shape();
    match how.as_str() {
        "error" => Err(format!("no sensor called {:?}", "WV-9").into()),
        "told" => {
            log::info("the third detector is dead");
            log::warn("its gain is 0");
            Err("no gain".into())
        }
        "panic" => panic!("gain must be positive"),
        "index" => Ok(Tile::filled(image.shape(), image[[bands, 0, 0]])),
        "trap" => trap(),
        "overflow" => Ok(image.map_valid(|v| v - 255)),
        "endless" => endless(),
        "greedy" => Ok(Tile::filled([1 << 12, rows, cols], vec![1u8; 1 << 30][rows])),
        "deep" => Ok(Tile::filled(image.shape(), deep(image[[0, 0, 0]]))),
        "bands" => Ok(Tile::filled([bands + 1, rows, cols], 0)),
        "size" => Ok(Tile::filled([bands, rows, cols + 1], 0)),
        "mark" => Ok(image.map_valid(|_| 254).with_nodata(254)),
        how => Err(format!("no way to fail called {how:?}").into()),
    }
}

/// What only WebAssembly can do wrong: not a panic.
fn trap() -> ! {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    std::process::abort()
}

fn endless() -> ! {
    let mut n = 0u64;
    loop {
        n = core::hint::black_box(n.wrapping_add(1));
    }
}

fn deep(n: u8) -> u8 {
    let room = core::hint::black_box([n; 4096]);
    if room[8] == 255 {
        return n;
    }
    deep(room[7]).wrapping_add(room[9])
}

/// The image, after counting for a while.
#[tile_function]
fn slow(image: Tile<u8>, #[param] steps: u64) -> Tile<u8> {
    let mut n = 0;
    while n < steps {
        n = core::hint::black_box(n + 1);
    }
    image
}

/// Says something about each tile.
#[tile_function]
fn talkative(image: Tile<u8>, ctx: &Context) -> Tile<u8> {
    log::info(format_args!("tile {} is fine", ctx.index()));
    if ctx.is_last() {
        log::warn("the sun was low");
    }
    image
}
