//! What every module of an expression has in common: the ABI, loops over bands and statistics, functions such as `exp`.
//!
//! The compiler (crate `tilefn-expression`) replaces the body of [`kernel`], which computes the pixels, fills [`TABLES`], and
//! drops the functions that an expression doesn't need. `tilefn build host/expression/runtime --output
//! host/expression/runtime.wasm` after each change; a test compares both.
#![no_std]

mod fail;
pub mod layout;
mod marks;
mod math;
mod memory;
mod stage;
mod statistics;

use bytemuck::Pod;
use core::cell::UnsafeCell;
use fail::{Failed, Text};
use layout::Program;
use memory::{alloc, items, items_mut};
use stage::Run;
use tilefn_abi::{Call, OutRaster, Outcome, Output, RasterList, Slice};

/// The description before the compiler has put one in, so that `tilefn build` takes the runtime for a module.
static EMPTY: &str = r#"{"name":"expression","outputs":[{"name":"result","dtype":"float32"}]}"#;

#[repr(C, align(16))]
pub struct Tables(UnsafeCell<[u8; layout::TABLES]>);

// SAFETY: nobody writes them while the module runs.
unsafe impl Sync for Tables {}

/// Filled by the compiler, beginning with a [`Program`].
#[unsafe(no_mangle)]
pub static TABLES: Tables = Tables(UnsafeCell::new([0; layout::TABLES]));

/// The loops of all stages; the compiler puts the body here. `slots`: one [`layout::Slot`] for each stream. `params`: their bits.
/// Returns what [`layout::INVALID`] and the next constants say.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn kernel(stage: u32, slots: u32, pixels: u32, out: u32, params: u32, mark: u64) -> u64 {
    // Something that the optimiser can't see through.
    core::hint::black_box((stage, slots, pixels, out, params, mark)).5
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

#[unsafe(no_mangle)]
extern "C" fn tilefn_abi_v1() {}

#[unsafe(no_mangle)]
extern "C" fn tilefn_alloc(len: u32, align: u32) -> u32 {
    alloc(len.into(), align).unwrap_or(0)
}

#[unsafe(no_mangle)]
extern "C" fn tilefn_memory_used() -> u32 {
    memory::used()
}

#[unsafe(export_name = "describe:expression")]
extern "C" fn describe() -> u64 {
    let text = program().describe;
    if text.len == 0 {
        return ((EMPTY.as_ptr() as u64) << 32) | EMPTY.len() as u64;
    }
    (u64::from(text.address) << 32) | u64::from(text.len)
}

#[unsafe(export_name = "process:expression")]
extern "C" fn process(call: u32) -> u32 {
    let Some(block) = items::<Call>(call, 1).first() else { return 0 };
    run(call, block).unwrap_or(0)
}

fn program() -> &'static Program {
    const NONE: &Program = &Program {
        describe: layout::Span { address: 0, len: 0 },
        outputs: layout::Span { address: 0, len: 0 },
        statistics: layout::Span { address: 0, len: 0 },
        inputs: layout::Span { address: 0, len: 0 },
        float: 4,
    };
    items::<Program>(TABLES.0.get() as u32, 1).first().unwrap_or(NONE)
}

/// Items of the call block.
fn of_call<T: Pod>(call: u32, slice: Slice) -> &'static [T] {
    items(call.wrapping_add(slice.offset), slice.len)
}

fn out_of_memory() -> Failed {
    Text::new("out of memory: raise limits.memory, or take smaller tiles (grid.tile)").fail()
}

fn run(address: u32, call: &Call) -> Result<u32, Failed> {
    let run = Run::new(address, call, program())?;
    let wanted: &[Output] = of_call(address, call.outputs);
    let count = call.outputs.len;
    let room = |size: usize, count: u32| alloc(size as u64 * u64::from(count), 16).ok_or_else(out_of_memory);
    let outcome = room(size_of::<Outcome>(), 1)?;
    let lists = room(size_of::<RasterList>(), count)?;
    let rasters = room(size_of::<OutRaster>(), count)?;
    for (number, output) in (0..count).zip(wanted) {
        let raster = rasters + number * size_of::<OutRaster>() as u32;
        if output.rasters > 0
            && let Some(place) = items_mut(raster, 1).first_mut()
        {
            *place = run.output(number)?;
        }
        if let Some(list) = items_mut::<RasterList>(lists, count).get_mut(number as usize) {
            *list = RasterList { rasters: raster, count: u32::from(output.rasters > 0) };
        }
    }
    if let Some(place) = items_mut(outcome, 1).first_mut() {
        *place = Outcome { outputs: lists, output_count: count, state: 0, state_len: 0 };
    }
    Ok(outcome)
}
