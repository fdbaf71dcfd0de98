//! WASI preview 1: runtimes start, and find nothing.

use tilefn_sandbox::{Error, Instance, Limits, LogLine, Sandbox};

use super::fixture::*;

/// Runs `process`, whose outcome isn't one, and gives the instance.
fn ran(guest: Guest) -> Instance {
    let module = sandbox().compile(&guest.build()).unwrap();
    let mut instance = only(&module).unwrap().instance().unwrap();
    process(&mut instance, &[1.0]).unwrap_err();
    instance
}

/// The 16 bytes that `guest` leaves at address 4096, seen through a raster there.
fn left(guest: Guest) -> Vec<u8> {
    let module = sandbox().compile(&guest.build()).unwrap();
    let mut instance = only(&module).unwrap().instance().unwrap();
    let rasters = process(&mut instance, &[1.0]).unwrap();
    instance.bytes(rasters[0].range).unwrap().to_vec()
}

fn texts(log: Vec<LogLine>) -> Vec<String> {
    log.into_iter().map(|line| line.text).collect()
}

#[test]
fn what_is_printed_goes_to_the_log() {
    // Two pieces from the description, then a line end.
    assert_eq!(texts(ran(guest("prints")).take_log()), [r#"{"name":""#, r#"{"na"#]);
}

#[test]
fn printing_elsewhere_or_from_nowhere() {
    // BADF, FAULT, FAULT, INVAL
    assert_eq!(left(guest("prints-elsewhere")), [8, 0, 0, 0, 21, 0, 0, 0, 21, 0, 0, 0, 28, 0, 0, 0]);
}

#[test]
fn stderr_explains_a_trap() {
    assert_eq!(error_of(guest("prints-and-traps")), "`process:double` panicked: name\n  at process");
}

#[test]
fn a_flood_of_output_is_cut() {
    let log = texts(ran(guest("floods-stdout")).take_log());
    assert_eq!(log.last().unwrap(), "the log is cut here: its limit is 65536 bytes");
}

#[test]
fn the_exit_code() {
    for code in [0, 3] {
        assert_eq!(
            error_of(guest("exits").with("code", code)),
            format!("`process:double` ended the program with exit code {code}")
        );
    }
}

#[test]
fn no_arguments_and_no_environment() {
    assert_eq!(left(guest("asks-for-arguments")), [0; 16]);
}

#[test]
fn no_files_no_network_no_sleep() {
    // BADF, BADF, BADF, NOTSUP
    assert_eq!(left(guest("reaches-out")), [8, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0, 0, 58, 0, 0, 0]);
}

#[test]
fn clocks_and_random_numbers_are_the_same_in_every_run() {
    let run = || left(guest("asks-for-time-and-chance"));
    let first = run();
    assert_eq!(first, run());
    assert_eq!(first[..8], [0; 8]);
    // The first output of SplitMix64 with seed 0, as its authors publish it.
    assert_eq!(first[8..], 0xe220_a839_7b1d_cdafu64.to_le_bytes());
}

#[test]
fn all_of_preview_1_can_be_imported() {
    let module = sandbox().compile(&good().with("imports", file("wasi-imports")).build()).unwrap();
    assert_eq!(module.imports().len(), 46);
}

#[test]
fn every_call_of_the_host_takes_fuel() {
    let sandbox = Sandbox::new(&Limits { fuel: Some(5000), ..limits() }, 1, 0).unwrap();
    let report = r#"(import "tilefn" "report" (func (param i32 i32 i32)))"#;
    let mut tried = 0;
    let all = file("wasi-imports");
    for import in all.split("(import").skip(1).map(|rest| format!("(import{rest}")).chain([report.to_owned()]) {
        // It ends the function.
        if import.contains("proc_exit") {
            continue;
        }
        let params = import.split("(param").nth(1).map_or("", |rest| rest.split(')').next().unwrap());
        let mut args: Vec<_> = params.split_whitespace().map(|ty| format!("({ty}.const 0)")).collect();
        if import.contains("report") {
            args[0] = "(i32.const 1)".to_owned();
        }
        let call = format!("(call 0 {})", args.concat());
        let call = if import.contains("(result") { format!("(drop {call})") } else { call };
        let guest = guest("calls-the-host").with("import", &import).with("calls", call.repeat(60));
        let error = run(&sandbox, guest).unwrap_err();
        assert!(matches!(error, Error::Fuel { .. }), "{import}: {error}");
        tried += 1;
    }
    assert_eq!(tried, 46);
}

#[test]
fn bytes_that_the_host_moves_take_fuel() {
    let sandbox = Sandbox::new(&Limits { fuel: Some(1_000_000), ..limits() }, 1, 0).unwrap();
    let used = |call: &str| {
        let module = sandbox.compile(&guest("has-bytes-moved").with("call", call).build()).unwrap();
        let mut instance = only(&module).unwrap().instance().unwrap();
        process(&mut instance, &[1.0]).unwrap_err();
        instance.stats().fuel.unwrap()
    };
    let calls = [
        "(call $report (i32.const 1) (i32.const 0) (i32.const LEN))",
        "(drop (call $random (i32.const 0) (i32.const LEN)))",
        "(i32.store (i32.const 500) (i32.const LEN))
         (drop (call $write (i32.const 1) (i32.const 496) (i32.const 1) (i32.const 520)))",
    ];
    for call in calls {
        let of = |len: &str| used(&call.replace("LEN", len));
        assert_eq!(of("9000") - of("1000"), 8000, "{call}");
    }
}
