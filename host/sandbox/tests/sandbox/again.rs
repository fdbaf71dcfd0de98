//! Tiles one after the other: none sees the one before.

use std::time::Duration;

use tilefn_sandbox::{Function, Limits, LogLine, Sandbox};

use super::fixture::*;

/// What a tile found.
#[derive(Debug, PartialEq)]
struct Found {
    /// The outcome: twice the pixel, or an error's text.
    result: Result<f32, String>,
    log: Vec<LogLine>,
    peak_memory: usize,
    fuel: Option<u64>,
}

/// Runs `function` on a tile of one pixel.
fn tile(function: &Function, pixel: f32) -> Found {
    let (mut instance, inputs) = function.instance_for(&[4], 16).unwrap();
    instance.bytes_mut(inputs[0]).unwrap().copy_from_slice(&pixel.to_le_bytes());
    let outcome = instance.process(&call(inputs[0].pointer(), 1, 1));
    let result = outcome.map(|outcome| pixels(&instance, &outcome.outputs[0][0])[0]).map_err(|e| e.to_string());
    let (log, stats) = (instance.take_log(), instance.stats());
    Found { result, log, peak_memory: stats.peak_memory, fuel: stats.fuel }
}

fn sandbox_with_fuel() -> Sandbox {
    let limits = Limits { fuel: Some(1_000_000), ..limits() };
    Sandbox::new(&limits, 1, 1 << 20).unwrap()
}

fn function(sandbox: &Sandbox, guest: Guest) -> Function {
    only(&sandbox.compile(&guest.build()).unwrap()).unwrap()
}

/// A module that runs `check` before it doubles a pixel, then `change`.
fn checks_and_changes(check: &str, change: &str, more: &str) -> Guest {
    guest("checks-and-changes").with("check", check).with("change", change).with("more", more)
}

/// Runs five tiles; each has to find what the first did.
fn all_alike(guest: Guest) {
    let sandbox = sandbox_with_fuel();
    let function = function(&sandbox, guest);
    let first = tile(&function, 1.0);
    assert_eq!(first.result, Ok(2.0));
    for n in 2..6_u8 {
        let found = tile(&function, f32::from(n));
        let expected = Found { result: Ok(2.0 * f32::from(n)), log: first.log.clone(), ..first };
        assert_eq!(found, expected);
    }
}

/// Checks that what `get` reads is `initial`, then changes it with `set`.
fn one(get: &str, equal: &str, initial: &str, set: &str, more: &str) {
    let check = format!("(if (i32.eqz ({equal} {get} {initial})) (then (unreachable)))");
    all_alike(checks_and_changes(&check, set, more));
}

#[test]
fn globals_are_as_they_were() {
    for (ty, initial, changed) in [("i32", "7", "8"), ("i64", "7", "8"), ("f32", "7.5", "8.5"), ("f64", "7.5", "8.5")] {
        let more = format!("(global $g (mut {ty}) ({ty}.const {initial}))");
        let set = format!("(global.set $g ({ty}.const {changed}))");
        one("(global.get $g)", &format!("{ty}.eq"), &format!("({ty}.const {initial})"), &set, &more);
    }
    let more = "(global $g (mut v128) (v128.const i64x2 7 8))";
    let set = "(global.set $g (v128.const i64x2 9 10))";
    one("(i64x2.extract_lane 1 (global.get $g))", "i64.eq", "(i64.const 8)", set, more);
}

#[test]
fn memory_is_as_it_was() {
    // In a data segment, beside one, between the input (16 bytes from 65536 on) and the call block, and in the last bytes.
    let data = r#"(data (i32.const 4096) "\07\00\00\00")"#;
    for (address, initial) in [(4096, 7), (4100, 0), (300, 0), (65_540, 0), (131_068, 0)] {
        let get = format!("(i32.load (i32.const {address}))");
        let set = format!("(i32.store (i32.const {address}) (i32.const -1))");
        one(&get, "i32.eq", &format!("(i32.const {initial})"), &set, data);
    }
    // All of it that nobody needs.
    let set = "(memory.fill (i32.const 70000) (i32.const 255) (i32.const 61072))";
    one("(i32.load (i32.const 100000))", "i32.eq", "(i32.const 0)", set, "");
    // All of it that it grew by.
    all_alike(guest("writes-where-it-grew"));
}

#[test]
fn tables_and_segments_are_as_they_were() {
    let table = "(table $t 1 10 funcref) (elem declare func $double)";
    let set = "(table.set $t (i32.const 0) (ref.func $double))";
    one("(ref.is_null (table.get $t (i32.const 0)))", "i32.eq", "(i32.const 1)", set, table);
    let set = "(drop (table.grow $t (ref.null func) (i32.const 1)))";
    one("(table.size $t)", "i32.eq", "(i32.const 1)", set, table);
    let more = r#"(data $d "\07\00\00\00")"#;
    let check = "(memory.init $d (i32.const 200) (i32.const 0) (i32.const 4))";
    all_alike(checks_and_changes(check, "(data.drop $d)", more));
    let more = "(table $t 1 funcref) (elem $e func $double)";
    let check = "(table.init $t $e (i32.const 0) (i32.const 0) (i32.const 1))";
    all_alike(checks_and_changes(check, "(elem.drop $e)", more));
    let more = "(global $g (mut funcref) (ref.null func)) (elem declare func $double)";
    let set = "(global.set $g (ref.func $double))";
    one("(ref.is_null (global.get $g))", "i32.eq", "(i32.const 1)", set, more);
}

#[test]
fn random_numbers_and_what_was_said_are_as_they_were() {
    all_alike(guest("says-a-random-number"));
}

#[test]
fn what_is_said_before_the_inputs_is_said_each_time() {
    let sandbox = sandbox();
    let function = function(&sandbox, guest("speaks-in-initialize"));
    for _ in 0..3 {
        let found = tile(&function, 1.0);
        assert_eq!(found.log.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["hello"]);
    }
}

#[test]
fn after_an_error_comes_a_fresh_one() {
    let sandbox = sandbox();
    let function = function(&sandbox, guest("spoils-its-memory"));
    assert_eq!(tile(&function, 1.0).result, Ok(2.0));
    assert!(tile(&function, 2.0).result.unwrap_err().contains("unreachable"));
    assert_eq!(tile(&function, 3.0).result, Ok(6.0));
}

/// Runs tiles of a module that looks for what the tile before left; `disturb` gets the instance's memory while it's full.
fn nothing_is_left(tiles: usize, mut disturb: impl FnMut(&[u8])) {
    // All of it is kept; and a part.
    for kept in [16 << 20, 4 << 20] {
        let sandbox = Sandbox::new(&Limits { time: Duration::from_secs(60), ..limits() }, 1, kept).unwrap();
        let function = function(&sandbox, guest("looks-and-fills"));
        // One more, to look.
        for tile in 0..=tiles {
            let mut instance = function.instance().unwrap();
            // The bump allocator hands out the second page on.
            let memory = instance.alloc((8 << 20) - (64 << 10), 16).unwrap();
            let error = instance.process(&call(0, 1, 1)).unwrap_err().to_string();
            assert!(error.contains("it returned null without an error report"), "tile {tile}: {error}");
            disturb(instance.bytes(memory).unwrap());
        }
    }
}

#[test]
fn pages_that_are_in_swap_while_an_instance_ends() {
    let swaps = std::fs::read_to_string("/proc/swaps").unwrap_or_default();
    if swaps.lines().count() < 2 {
        eprintln!("skipped: there is no swap space");
        return;
    }
    let mut away = 0;
    nothing_is_left(8, |memory| {
        let page = rustix::param::page_size();
        let start = memory.as_ptr().align_offset(page);
        let pages = memory.get(start..memory.len() / page * page).unwrap();
        #[expect(unsafe_code, reason = "asks the kernel to take pages away")]
        // SAFETY: paging out doesn't change what is read from the pages.
        unsafe {
            let advice = rustix::mm::Advice::LinuxPageOut;
            rustix::mm::madvise(pages.as_ptr().cast_mut().cast(), pages.len(), advice).unwrap();
        }
        away = away.max(swapped());
    });
    assert!(away > 0, "nothing was paged out");
}

/// Bytes of this process that are in swap space.
fn swapped() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let swap = status.lines().find_map(|line| line.strip_prefix("VmSwap:")).unwrap();
    swap.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

/// Not among those that run by themselves: it's the whole machine's memory that is compacted.
#[test]
#[ignore = "has the kernel compact the memory of the whole machine, as root"]
fn pages_that_are_moved_while_an_instance_ends() {
    std::thread::scope(|scope| {
        let compacting = scope.spawn(|| std::fs::write("/proc/sys/vm/compact_memory", "1").unwrap());
        while !compacting.is_finished() {
            nothing_is_left(1, |_| {});
        }
    });
}
