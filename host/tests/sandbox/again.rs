//! Instances that are used for tile after tile: each time as if they were fresh.

use std::time::Duration;

use tilefn::sandbox::{Error, Function, GuestRange, Instance, Limits, LogLine, Sandbox};

use super::fixture::*;

/// What a tile found.
#[derive(Debug, PartialEq)]
struct Found {
    /// What was in the inputs before they were filled.
    before: f32,
    /// The outcome: twice the pixel, or an error's text.
    result: Result<f32, String>,
    log: Vec<LogLine>,
    peak_memory: usize,
    fuel: Option<u64>,
}

/// Runs `function` on a tile of one pixel, and releases the instance.
fn tile(function: &Function, pixel: f32) -> Found {
    let (mut instance, inputs) = function.instance_for(&[4], 16).unwrap();
    let before = f32::from_le_bytes(instance.bytes(inputs[0]).unwrap().try_into().unwrap());
    instance.bytes_mut(inputs[0]).unwrap().copy_from_slice(&pixel.to_le_bytes());
    let outcome = instance.process(&call(inputs[0].pointer(), 1, 1));
    let result = outcome.map(|outcome| pixels(&instance, &outcome.outputs[0][0])[0]).map_err(|e| e.to_string());
    let (log, stats) = (instance.take_log(), instance.stats());
    instance.release();
    Found { before, result, log, peak_memory: stats.peak_memory, fuel: stats.fuel }
}

fn sandbox_with_fuel() -> Sandbox {
    let limits = Limits { fuel: Some(1_000_000), ..limits() };
    Sandbox::new(&limits, 1, 1 << 20).unwrap()
}

fn function(sandbox: &Sandbox, wat: &Wat) -> Function {
    only(&sandbox.compile(&wat.build()).unwrap()).unwrap()
}

/// The bits that the inputs of a used instance hold before they are filled, in debug builds: something that nobody takes for pixels.
const STALE: f32 = f32::from_bits(0xa5a5_a5a5);

/// A module that calls `$check` before it doubles a pixel, then `$change`.
fn checks_and_changes(check: &str, change: &str, more: &str) -> Wat {
    let double = Wat::default().process.replace(
        r#"(func (export "process:double") (param $call i32) (result i32)"#,
        "(func $double (param $call i32) (result i32)",
    );
    let process = format!(
        r#"{double}
        (func (export "process:double") (param $call i32) (result i32)
            (local $result i32)
            {check}
            (local.set $result (call $double (local.get $call)))
            {change}
            (local.get $result))"#
    );
    Wat { process, more: more.to_owned(), ..Wat::default() }
}

/// Runs five tiles; each has to find what the first did. Whether the instance was used again.
fn all_alike(wat: &Wat) -> bool {
    let sandbox = sandbox_with_fuel();
    let function = function(&sandbox, wat);
    let first = tile(&function, 1.0);
    assert_eq!(first.before, 0.0);
    assert_eq!(first.result, Ok(2.0));
    let mut again = false;
    for n in 2..6_u8 {
        let found = tile(&function, f32::from(n));
        again = found.before.to_bits() != 0;
        let expected = Found { before: found.before, result: Ok(2.0 * f32::from(n)), log: first.log.clone(), ..first };
        assert_eq!(found, expected);
    }
    again
}

/// Checks that what `get` reads is `initial`, then changes it with `set`.
fn one(get: &str, equal: &str, initial: &str, set: &str, more: &str) -> bool {
    let check = format!("(if (i32.eqz ({equal} {get} {initial})) (then (unreachable)))");
    all_alike(&checks_and_changes(&check, set, more))
}

fn kernel_can() -> bool {
    let function = function(&sandbox(), &Wat::default());
    tile(&function, 1.0);
    tile(&function, 1.0).before.to_bits() == STALE.to_bits()
}

#[test]
fn globals_are_as_they_were() {
    for (ty, initial, changed) in [("i32", "7", "8"), ("i64", "7", "8"), ("f32", "7.5", "8.5"), ("f64", "7.5", "8.5")] {
        let more = format!("(global $g (mut {ty}) ({ty}.const {initial}))");
        let set = format!("(global.set $g ({ty}.const {changed}))");
        let again = one("(global.get $g)", &format!("{ty}.eq"), &format!("({ty}.const {initial})"), &set, &more);
        assert_eq!(again, kernel_can(), "{ty}");
    }
    let more = "(global $g (mut v128) (v128.const i64x2 7 8))";
    let set = "(global.set $g (v128.const i64x2 9 10))";
    assert_eq!(one("(i64x2.extract_lane 1 (global.get $g))", "i64.eq", "(i64.const 8)", set, more), kernel_can());
}

#[test]
fn memory_is_as_it_was() {
    // In a data segment, beside one, between the input (16 bytes from 65536 on) and the call block, and in the last bytes.
    let data = r#"(data (i32.const 4096) "\07\00\00\00")"#;
    for (address, initial) in [(4096, 7), (4100, 0), (300, 0), (65_540, 0), (131_068, 0)] {
        let get = format!("(i32.load (i32.const {address}))");
        let set = format!("(i32.store (i32.const {address}) (i32.const -1))");
        assert_eq!(one(&get, "i32.eq", &format!("(i32.const {initial})"), &set, data), kernel_can(), "{address}");
    }
    // All of it that nobody needs.
    let set = "(memory.fill (i32.const 70000) (i32.const 255) (i32.const 61072))";
    assert_eq!(one("(i32.load (i32.const 100000))", "i32.eq", "(i32.const 0)", set, ""), kernel_can());
}

#[test]
fn memory_that_grew_is_not_used_again() {
    let set = "(drop (memory.grow (i32.const 1)))";
    assert!(!one("(memory.size)", "i32.eq", "(i32.const 2)", set, ""));
}

#[test]
fn what_wrote_too_much_is_not_used_again() {
    let time = Duration::from_secs(10);
    let limits = Limits { memory: 128 << 20, time, describe_time: time, ..limits() };
    let sandbox = Sandbox::new(&limits, 1, 128 << 20).unwrap();
    let fill = "(memory.fill (i32.const 131072) (i32.const 1) (i32.const 71303168))";
    for (init, change) in [(fill, ""), ("", fill)] {
        let check = "(if (i32.load (i32.const 262144)) (then (unreachable)))";
        let check = if init.is_empty() { check } else { "" };
        let more = format!(r#"(func (export "_initialize") {init})"#);
        let wat = Wat { memory: r#"(memory (export "memory") 1200)"#, ..checks_and_changes(check, change, &more) };
        let function = function(&sandbox, &wat);
        for n in 1..4_u8 {
            let found = tile(&function, f32::from(n));
            assert_eq!((found.before, found.result), (0.0, Ok(2.0 * f32::from(n))));
        }
    }
}

#[test]
fn tables_and_segments_that_changed_are_not_used_again() {
    let table = "(table $t 1 10 funcref) (elem declare func $double)";
    let set = "(table.set $t (i32.const 0) (ref.func $double))";
    assert!(!one("(ref.is_null (table.get $t (i32.const 0)))", "i32.eq", "(i32.const 1)", set, table));
    let set = "(drop (table.grow $t (ref.null func) (i32.const 1)))";
    assert!(!one("(table.size $t)", "i32.eq", "(i32.const 1)", set, table));
    let more = r#"(data $d "\07\00\00\00")"#;
    let check = "(memory.init $d (i32.const 200) (i32.const 0) (i32.const 4))";
    assert!(!all_alike(&checks_and_changes(check, "(data.drop $d)", more)));
    let more = "(table $t 1 funcref) (elem $e func $double)";
    let check = "(table.init $t $e (i32.const 0) (i32.const 0) (i32.const 1))";
    assert!(!all_alike(&checks_and_changes(check, "(elem.drop $e)", more)));
    let more = "(global $g (mut funcref) (ref.null func)) (elem declare func $double)";
    let set = "(global.set $g (ref.func $double))";
    assert!(!one("(ref.is_null (global.get $g))", "i32.eq", "(i32.const 1)", set, more));
}

#[test]
fn random_numbers_and_what_was_said_are_as_they_were() {
    let check = "(drop (call $random (i32.const 200) (i32.const 8)))
        (if (i64.eqz (i64.load (i32.const 208))) (then (i64.store (i32.const 208) (i64.load (i32.const 200)))))
        (call $report (i32.const 1) (i32.const 200) (i32.const 8))";
    let wat = Wat {
        imports: r#"(import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
            (import "tilefn" "report" (func $report (param i32 i32 i32)))"#,
        ..checks_and_changes(check, "", "")
    };
    assert_eq!(all_alike(&wat), kernel_can());
}

#[test]
fn one_that_speaks_before_its_inputs_is_not_used_again() {
    let wat = Wat {
        imports: r#"(import "tilefn" "report" (func $report (param i32 i32 i32)))"#,
        more: r#"(data (i32.const 512) "hello")
            (func (export "_initialize") (call $report (i32.const 1) (i32.const 512) (i32.const 5)))"#
            .to_owned(),
        ..Wat::default()
    };
    let sandbox = sandbox();
    let function = function(&sandbox, &wat);
    for _ in 0..3 {
        let found = tile(&function, 1.0);
        assert_eq!((found.before, found.log.len()), (0.0, 1));
        assert_eq!(found.log[0].text, "hello");
    }
}

#[test]
fn after_an_error_comes_a_fresh_one() {
    // Traps at the second pixel value, having spoilt its memory.
    let check = "(if (f32.eq (f32.load (i32.const 65536)) (f32.const 2))
        (then (i32.store (i32.const 4096) (i32.const 1)) (unreachable)))
        (if (i32.load (i32.const 4096)) (then (unreachable)))";
    let sandbox = sandbox();
    let function = function(&sandbox, &checks_and_changes(check, "", ""));
    assert_eq!(tile(&function, 1.0).result, Ok(2.0));
    assert!(tile(&function, 2.0).result.unwrap_err().contains("unreachable"));
    let found = tile(&function, 3.0);
    assert_eq!((found.before, found.result), (0.0, Ok(6.0)));
}

#[test]
fn inputs_of_other_lengths_and_instances_at_work_at_the_same_time() {
    // Room for five instances: more would be an error.
    let sandbox = sandbox();
    let function = function(&sandbox, &Wat::default());
    let run = |instance: &mut Instance, input: GuestRange| {
        instance.bytes_mut(input).unwrap().fill(0);
        let cols = u32::try_from(input.len() / 4).unwrap();
        instance.process(&call(input.pointer(), 1, cols)).unwrap();
    };
    for round in 0..20 {
        let lens = [[4, 8, 12][round % 3], [16, 4][round % 2]];
        let instances: Vec<_> = lens.iter().map(|len| function.instance_for(&[*len], 16).unwrap()).collect();
        for ((mut instance, inputs), len) in instances.into_iter().zip(lens) {
            assert_eq!(inputs[0].len(), len);
            run(&mut instance, inputs[0]);
            instance.release();
        }
    }
    // As many as ever at the same time, beside those that wait.
    let busy: Vec<_> = (0..5).map(|n| function.instance_for(&[100 + n], 16).unwrap()).collect();
    assert!(matches!(function.instance_for(&[4], 16), Err(Error::Engine(_))));
    drop(busy);
}
