//! Modules that return wild pointers, sizes that overflow, and outcomes that can't be.

use tilefn_sandbox::Sandbox;

use super::fixture::*;

#[test]
fn allocated_memory() {
    let cases = [
        ("0", "it has no memory for 12 bytes"),
        ("65537", "the pointer 65537 isn't a multiple of 16"),
        // The last byte but eight, and the last of the address space: the end must not wrap around.
        ("131056", "12 bytes at pointer 131056 aren't inside its memory"),
        ("-16", "12 bytes at pointer 4294967280 aren't inside its memory"),
    ];
    let sandbox = sandbox();
    // 12 bytes end at 131068, inside 131072; 20 bytes would not.
    for (pointer, problem) in cases {
        let guest = guest("allocates-elsewhere").with("pointer", pointer);
        let problem = problem.replace("12 bytes at pointer 131056", "20 bytes at pointer 131056");
        let module = sandbox.compile(&guest.build()).unwrap();
        let mut instance = only(&module).unwrap().instance().unwrap();
        let len = if pointer == "131056" { 20 } else { 12 };
        assert_eq!(
            instance.alloc(len, 16).unwrap_err().to_string(),
            format!("`tilefn_alloc` broke the ABI: {problem}")
        );
        assert_works(&sandbox);
    }
}

#[test]
fn more_than_a_module_can_address() {
    let sandbox = sandbox();
    let module = sandbox.compile(&good().build()).unwrap();
    let mut instance = only(&module).unwrap().instance().unwrap();
    assert_eq!(
        instance.alloc(1 << 32, 16).unwrap_err().to_string(),
        "`tilefn_alloc` wants 4294967296 bytes of memory, the limit is 4294967295"
    );
    assert_eq!(instance.alloc(0, 16).unwrap().len(), 0);
}

#[test]
fn ranges_belong_to_their_instance() {
    let sandbox = Sandbox::new(&limits(), 2, 0).unwrap();
    let big = good().with("memory", r#"(memory (export "memory") 4)"#);
    let [big, small] = [big, good()].map(|guest| {
        let module = sandbox.compile(&guest.build()).unwrap();
        only(&module).unwrap().instance().unwrap()
    });
    let (mut big, mut small) = (big, small);
    let range = big.alloc(100_000, 16).unwrap();
    assert_eq!(big.bytes(range).unwrap().len(), 100_000);
    let message = "sandbox: a range of another instance's memory";
    assert_eq!(small.bytes(range).unwrap_err().to_string(), message);
    assert_eq!(small.bytes_mut(range).unwrap_err().to_string(), message);
}

#[test]
fn an_instance_runs_one_tile() {
    let sandbox = sandbox();
    let module = sandbox.compile(&good().build()).unwrap();
    let mut instance = only(&module).unwrap().instance().unwrap();
    process(&mut instance, &[1.0]).unwrap();
    assert_eq!(process(&mut instance, &[1.0]).unwrap_err().to_string(), "sandbox: an instance runs one tile only");
}

#[test]
fn functions_may_call_each_other_but_that_is_all() {
    // Nothing on the host is entered twice.
    let text = error_of(guest("calls-its-own-exports"));
    assert!(text.starts_with("`process:double` ran out of stack"), "{text}");
}

/// A `process` that returns pointer 8 after these 32-bit words were put at address 0.
fn returns(words: &[u32]) -> Guest {
    let data: String = words.iter().flat_map(|w| w.to_le_bytes()).map(|b| format!("\\{b:02x}")).collect();
    guest("returns").with("words", data).with("pointer", 8)
}

/// A good outcome: at 8 the outcome, at 24 its list, at 32 a raster of 1 × 2 × 3 float32 at 512.
const GOOD: [u32; 16] = [0, 0, 24, 1, 0, 0, 32, 1, 0, 0, 0, 9, 1, 2, 3, 512];

#[test]
fn the_good_outcome_of_these_tests() {
    let rasters = run(&sandbox(), returns(&GOOD)).unwrap();
    assert_eq!(rasters.len(), 1);
    assert_eq!((rasters[0].bands, rasters[0].rows, rasters[0].cols), (1, 2, 3));
    assert_eq!((rasters[0].range.pointer(), rasters[0].range.len()), (512, 24));
}

#[test]
fn outcomes() {
    const LAST: u32 = 131_072;
    // Which words differ from the good outcome, and what is wrong then.
    let cases: [(&[(usize, u32)], &str); 19] = [
        (&[(3, 0)], "it returned 0 outputs, its description has 1"),
        (&[(3, u32::MAX)], "it returned 4294967295 outputs, its description has 1"),
        (&[(2, 26)], "the pointer 26 to the outputs isn't a multiple of 4"),
        (&[(2, LAST - 4)], "8 bytes of the outputs at pointer 131068 aren't inside its memory"),
        (&[(2, 0xffff_fffc)], "8 bytes of the outputs at pointer 4294967292 aren't inside its memory"),
        (&[(5, 1)], "it returned a state, but doesn't accumulate"),
        (&[(6, 33)], "the pointer 33 to the rasters isn't a multiple of 4"),
        (&[(6, LAST)], "32 bytes of the rasters at pointer 131072 aren't inside its memory"),
        (&[(7, 65_537)], "it returned 65537 rasters, the limit is 65536"),
        (&[(7, 65_536)], "2097152 bytes of the rasters at pointer 32 aren't inside its memory"),
        (&[(10, 2)], "an output raster has has_nodata 2, neither 0 nor 1"),
        (&[(11, 0)], "an output raster has the unknown type 0"),
        (&[(11, 11)], "an output raster has the unknown type 11"),
        (&[(15, 514)], "an output raster's pointer 514 isn't aligned for float32"),
        (&[(11, 10), (15, 516)], "an output raster's pointer 516 isn't aligned for float64"),
        (&[(15, LAST - 20)], "an output raster of 1 × 2 × 3 float32 at pointer 131052 isn't inside its memory"),
        (&[(15, 0xffff_fff0)], "an output raster of 1 × 2 × 3 float32 at pointer 4294967280 isn't inside its memory"),
        (
            // 2^31 pixels of 4 bytes: the size doesn't fit 32 bits, and would be 0 if it wrapped.
            &[(13, 1 << 16), (14, 1 << 15)],
            "an output raster of 1 × 65536 × 32768 float32 at pointer 512 isn't inside its memory",
        ),
        (
            &[(12, u32::MAX), (13, u32::MAX), (14, u32::MAX)],
            "an output raster of 4294967295 × 4294967295 × 4294967295 float32 at pointer 512 isn't inside its memory",
        ),
    ];
    let sandbox = sandbox();
    for (changes, problem) in cases {
        let mut words = GOOD;
        for (place, word) in changes {
            words[*place] = *word;
        }
        let error = error_in(&sandbox, returns(&words));
        assert_eq!(error.to_string(), format!("`process:double` broke the ABI: {problem}"));
    }
}

#[test]
fn pointers_to_the_outcome() {
    let cases = [
        ("0", "it returned null without an error report"),
        ("10", "the pointer 10 to the outcome isn't a multiple of 4"),
        ("131060", "16 bytes of the outcome at pointer 131060 aren't inside its memory"),
        ("-4", "16 bytes of the outcome at pointer 4294967292 aren't inside its memory"),
    ];
    let sandbox = sandbox();
    for (pointer, problem) in cases {
        let error = error_in(&sandbox, guest("returns").with("words", "").with("pointer", pointer));
        assert_eq!(error.to_string(), format!("`process:double` broke the ABI: {problem}"));
    }
}

#[test]
fn outputs_above_their_limit() {
    // 20 rasters of 64 KiB that all lie at the same place.
    let limits = tilefn_sandbox::Limits { output_bytes: 1 << 20, ..limits() };
    let sandbox = Sandbox::new(&limits, 1, 0).unwrap();
    let mut words = GOOD.to_vec();
    words[7] = 20;
    let raster = [0, 0, 0, 9, 1, 256, 64, 512];
    words.truncate(8);
    words.extend(raster.repeat(20));
    assert_eq!(
        error_in(&sandbox, returns(&words)).to_string(),
        "the outputs of `process:double`: 1310720 bytes, the limit is 1048576"
    );
}

/// Reports the text of `length` bytes at `pointer`, then ends with the instruction `ends`.
fn reports(kind: u32, pointer: i32, length: i32, ends: &str) -> Guest {
    guest("reports").with("kind", kind).with("pointer", pointer).with("length", length).with("ends", ends)
}

#[test]
fn a_functions_own_error() {
    let guest = reports(3, 16_384, 21, "(i32.const 0)").with("text", "no water in this tile");
    assert_eq!(error_of(guest), "no water in this tile");
}

#[test]
fn a_panic() {
    let guest = reports(4, 16_384, 21, "(unreachable)").with("text", "oh no at src/lib.rs:1");
    assert_eq!(error_of(guest), "`process:double` panicked: oh no at src/lib.rs:1\n  at process");
}

#[test]
fn messages_are_bounded_and_harmless() {
    assert_eq!(error_of(guest("reports-a-long-text")), "a".repeat(8192) + "…");
    let guest = reports(3, 16_384, 8, "(i32.const 0)").with("text", r"\1b[2J\ffok\0a");
    assert_eq!(error_of(guest), "\\u{1b}[2J\u{fffd}ok\\n");
}

#[test]
fn reports_with_wild_pointers_or_kinds() {
    let cases = [
        (1, -4, 8, "`report` was called with a text outside its memory (pointer 4294967292, 8 bytes)"),
        (3, 8, -1, "`report` was called with a text outside its memory (pointer 8, 4294967295 bytes)"),
        (0, 8, 1, "`report` was called with kind 0, which doesn't exist"),
    ];
    let sandbox = sandbox();
    for (kind, pointer, length, problem) in cases {
        let error = error_in(&sandbox, reports(kind, pointer, length, "(i32.const 8)").with("text", ""));
        assert_eq!(error.to_string(), format!("`process:double` broke the ABI: {problem}\n  at process"));
    }
}

#[test]
fn log_lines_arrive_in_order_and_within_limits() {
    let sandbox = sandbox();
    let module = sandbox.compile(&guest("logs").build()).unwrap();
    let mut instance = only(&module).unwrap().instance().unwrap();
    process(&mut instance, &[1.0]).unwrap_err();
    let log = instance.take_log();
    let lines: Vec<_> = log.iter().map(|line| (line.warning, line.text.as_str())).collect();
    assert_eq!(lines, [(false, "one"), (false, "two"), (true, "three")]);

    // A flood, until the time limit.
    let module = sandbox.compile(&guest("floods-the-log").build()).unwrap();
    let mut instance = only(&module).unwrap().instance().unwrap();
    let error = process(&mut instance, &[1.0]).unwrap_err();
    assert!(error.to_string().starts_with("`process:double` ran longer than 100ms"), "{error}");
    let log = instance.take_log();
    assert_eq!(log.last().unwrap().text, "the log is cut here: its limit is 65536 bytes");
    // Each zero byte is shown as six characters.
    assert!(log.iter().map(|line| line.text.len()).sum::<usize>() <= 6 * 65_536 + 100);
    assert_works(&sandbox);
}
