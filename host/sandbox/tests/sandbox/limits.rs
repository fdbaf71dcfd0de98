//! Modules that want more time, memory or stack than they get, or trap.

use std::time::Duration;

use tilefn_sandbox::{Error, Limits, Sandbox};

use super::fixture::*;

#[test]
fn a_start_function_that_spins() {
    assert_eq!(error_of(guest("spins-in-start")), "`instantiation` ran longer than 100ms, the time limit\n  at start");
}

#[test]
fn an_initialiser_that_spins() {
    assert_eq!(
        error_of(guest("spins-in-initialize")),
        "`_initialize` ran longer than 100ms, the time limit\n  at init"
    );
}

#[test]
fn an_allocator_that_spins() {
    assert_eq!(
        error_of(guest("spins-in-alloc")),
        "`tilefn_alloc` ran longer than 100ms, the time limit\n  at my_alloc"
    );
}

#[test]
fn a_description_that_spins() {
    assert_eq!(error_of(guest("spins-in-describe")), "`describe:double` ran longer than 100ms, the time limit\n  at d");
}

#[test]
fn a_function_that_spins() {
    assert_eq!(
        error_of(guest("spins-deeper")),
        "`process:double` ran longer than 100ms, the time limit\n  at deep\n  at process"
    );
}

#[test]
fn all_calls_of_a_tile_share_its_time() {
    // Each call of the allocator takes a while, so that no single one reaches the limit.
    let sandbox = sandbox();
    let module = sandbox.compile(&guest("dawdles-in-alloc").build()).unwrap();
    let mut instance = only(&module).unwrap().instance().unwrap();
    let error = (0..1_000_000).find_map(|_| instance.alloc(16, 16).err()).unwrap();
    assert!(matches!(error, Error::Deadline { .. }), "{error}");
    assert_works(&sandbox);
}

#[test]
fn a_straight_line_of_host_calls_or_large_instructions() {
    // No loop and no function's entry, at which the time would be looked at.
    let time = Duration::from_millis(20);
    let sandbox = Sandbox::new(&Limits { time, describe_time: Duration::from_secs(10), ..limits() }, 1, 0).unwrap();
    for (line, count) in [
        ("(call $report (i32.const 3) (i32.const 65536) (i32.const 8192))", 4000),
        ("(memory.fill (i32.const 131072) (i32.const 1) (i32.const 16000000))", 1000),
    ] {
        let guest = guest("straight-line").with("line", line.repeat(count));
        let module = sandbox.compile(&guest.build()).unwrap();
        // What comes before the line may take all of the time as well.
        let error =
            only(&module).unwrap().instance().and_then(|mut instance| process(&mut instance, &[1.0])).unwrap_err();
        assert!(matches!(error, Error::Deadline { .. }), "{line}: {error}");
    }
}

#[test]
fn interrupting_stops_what_runs_and_what_comes() {
    let sandbox = Sandbox::new(&Limits { time: Duration::from_secs(3600), ..limits() }, 1, 0).unwrap();
    let module = sandbox.compile(&guest("spins").build()).unwrap();
    let function = only(&module).unwrap();
    let mut instance = function.instance().unwrap();
    let interrupt = sandbox.interrupt();
    let running = std::thread::spawn(move || process(&mut instance, &[1.0]));
    interrupt.stop();
    assert_eq!(
        running.join().unwrap().unwrap_err().to_string().split(' ').skip(1).collect::<Vec<_>>(),
        ["was", "interrupted"]
    );
    assert_eq!(function.instance().err().unwrap().to_string(), "`instantiation` was interrupted");
}

#[test]
fn fuel_cuts_at_the_same_place_each_time() {
    let sandbox = Sandbox::new(&Limits { fuel: Some(1000), ..limits() }, 1, 0).unwrap();
    let error = error_in(&sandbox, guest("spins"));
    assert_eq!(error.to_string(), "`process:double` used up its fuel of 1000\n  at process");

    let used = || {
        let module = sandbox.compile(&good().build()).unwrap();
        let mut instance = only(&module).unwrap().instance().unwrap();
        process(&mut instance, &[1.0, 2.0]).unwrap();
        instance.stats().fuel.unwrap()
    };
    assert_eq!(used(), used());
    assert!((1..1000).contains(&used()));
}

#[test]
fn memory_may_grow_to_its_limit_only() {
    assert_eq!(
        error_of(guest("grows-beyond-the-limit")),
        "`process:double` wants 16842752 bytes of memory, the limit is 16777216\n  at process"
    );
}

#[test]
fn allocating_for_ever_ends_at_the_limit() {
    assert_eq!(
        error_of(guest("grows-for-ever")),
        "`process:double` wants 16842752 bytes of memory, the limit is 16777216\n  at process"
    );
}

#[test]
fn a_module_that_limits_itself_is_refused_growth_as_webassembly_says() {
    assert_eq!(
        error_of(guest("limits-itself")),
        "`process:double` broke the ABI: it returned null without an error report"
    );
}

#[test]
fn a_memory_that_begins_above_the_limit() {
    let guest = good().with("memory", r#"(memory (export "memory") 257)"#);
    assert_eq!(error_of(guest), "`instantiation` wants 16842752 bytes of memory, the limit is 16777216");
}

#[test]
fn tables_grow_to_their_limit_only() {
    assert_eq!(
        error_of(guest("grows-its-table")),
        "`process:double` wants a table of 1001 elements, the limit is 1000\n  at process"
    );
}

#[test]
fn a_table_that_begins_above_the_limit() {
    assert_eq!(
        error_of(good().with("more", "(table 1001 funcref)")),
        "the module can't be compiled: module table does not fit in pooling allocator requirements: \
         table index 0 has a minimum element size of 1001 which exceeds the limit of 1000"
    );
}

#[test]
fn recursion_without_an_end() {
    let sandbox = sandbox();
    let error = error_in(&sandbox, guest("recurses"));
    assert_eq!(
        error.to_string(),
        "`process:double` ran out of stack, the limit is 524288 bytes: recursion without an end?\n  at process, 40 times"
    );
}

#[test]
fn traps_say_what_and_where() {
    let cases = [
        ("(unreachable)", "wasm `unreachable` instruction executed"),
        ("(i32.div_u (i32.const 1) (i32.const 0))", "integer divide by zero"),
        ("(i32.load (i32.const -4))", "out of bounds memory access"),
        ("(i32.trunc_f32_s (f32.const nan))", "invalid conversion to integer"),
        ("(memory.fill (i32.const 0) (i32.const 0) (i32.const -1)) (i32.const 0)", "out of bounds memory access"),
    ];
    let sandbox = sandbox();
    for (body, trap) in cases {
        let error = error_in(&sandbox, guest("traps").with("instructions", body));
        assert_eq!(error.to_string(), format!("`process:double` trapped: {trap}\n  at process"));
    }
}

#[test]
fn backtraces_have_rust_names_and_skip_the_panic() {
    let trapped = "`process:double` trapped: wasm `unreachable` instruction executed";
    assert_eq!(error_of(guest("panics-as-rust")), format!("{trapped}\n  at ndvi::mean\n  at process"));
}

#[test]
fn after_an_error_an_instance_runs_nothing_more() {
    let sandbox = sandbox();
    let module = sandbox.compile(&guest("traps").with("instructions", "(unreachable)").build()).unwrap();
    let mut instance = only(&module).unwrap().instance().unwrap();
    process(&mut instance, &[1.0]).unwrap_err();
    assert_eq!(instance.alloc(4, 4).unwrap_err().to_string(), "sandbox: `tilefn_alloc` was called after an error");
}

#[test]
fn the_address_space_may_not_suffice() {
    // A million instances of 4 GiB each are more than the processor can address.
    let sandbox = Sandbox::new(&limits(), 1_000_000, 0).unwrap();
    let [warning] = sandbox.warnings() else { panic!() };
    assert!(warning.starts_with("address space for 1000004 function instances can't be reserved"), "{warning}");
    assert_works(&sandbox);
    let error = error_in(&sandbox, guest("grows-for-ever"));
    assert_eq!(
        error.to_string(),
        "`process:double` wants 16842752 bytes of memory, the limit is 16777216\n  at process"
    );
}
