//! WASI preview 1: runtimes start, and find nothing.

use tilefn_sandbox::{Error, Instance, Limits, LogLine, Sandbox};

use super::fixture::*;

/// A module with these WASI imports (name, parameters) whose `process` is `body`; results of calls go to address 4096 on.
fn wasi(imports: &'static str, body: &str) -> Wat {
    Wat { imports, ..processes(&format!("{body} (i32.const 8)")) }
}

/// Runs `process`, whose outcome isn't one, and gives the instance.
fn ran(wat: &Wat) -> Instance {
    let module = sandbox().compile(&wat.build()).unwrap();
    let mut instance = only(&module).unwrap().instance().unwrap();
    process(&mut instance, &[1.0]).unwrap_err();
    instance
}

/// The 16 bytes that `wat` leaves at address 4096, seen through a raster there.
fn left(wat: Wat) -> Vec<u8> {
    // Outcome at 8, list at 24, raster of 16 × uint8 at 32, pixels at 4096.
    let data = "\\18\\00\\00\\00\\01\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\
        \\20\\00\\00\\00\\01\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\
        \\00\\00\\00\\00\\01\\00\\00\\00\\01\\00\\00\\00\\01\\00\\00\\00\\10\\00\\00\\00\\00\\10\\00\\00";
    let wat = Wat { more: format!(r#"(data (i32.const 8) "{data}")"#), ..wat };
    let module = sandbox().compile(&wat.build()).unwrap();
    let mut instance = only(&module).unwrap().instance().unwrap();
    let rasters = process(&mut instance, &[1.0]).unwrap();
    instance.bytes(rasters[0].range).unwrap().to_vec()
}

fn texts(log: Vec<LogLine>) -> Vec<String> {
    log.into_iter().map(|line| line.text).collect()
}

const FD_WRITE: &str = r#"(import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))"#;

#[test]
fn what_is_printed_goes_to_the_log() {
    // Two pieces, "{\"na" and "me\":\"" from the description, then a line end.
    let body = "
        (i32.store (i32.const 4096) (i32.const 1024)) (i32.store (i32.const 4100) (i32.const 4))
        (i32.store (i32.const 4104) (i32.const 1028)) (i32.store (i32.const 4108) (i32.const 5))
        (i32.store8 (i32.const 4200) (i32.const 10))
        (i32.store (i32.const 4112) (i32.const 4200)) (i32.store (i32.const 4116) (i32.const 1))
        (drop (call $fd_write (i32.const 1) (i32.const 4096) (i32.const 3) (i32.const 4300)))
        (drop (call $fd_write (i32.const 2) (i32.const 4096) (i32.const 1) (i32.const 4300)))";
    assert_eq!(texts(ran(&wasi(FD_WRITE, body)).take_log()), [r#"{"name":""#, r#"{"na"#]);
}

#[test]
fn printing_elsewhere_or_from_nowhere() {
    let body = "
        (i32.store (i32.const 4000) (i32.const -1)) (i32.store (i32.const 4004) (i32.const 4))
        (i32.store (i32.const 4096) (call $fd_write (i32.const 3) (i32.const 4000) (i32.const 1) (i32.const 4300)))
        (i32.store (i32.const 4100) (call $fd_write (i32.const 1) (i32.const 4000) (i32.const 1) (i32.const 4300)))
        (i32.store (i32.const 4104) (call $fd_write (i32.const 1) (i32.const -8) (i32.const 2) (i32.const 4300)))
        (i32.store (i32.const 4108) (call $fd_write (i32.const 1) (i32.const 0) (i32.const -1) (i32.const 4300)))";
    // BADF, FAULT, FAULT, INVAL
    assert_eq!(left(wasi(FD_WRITE, body)), [8, 0, 0, 0, 21, 0, 0, 0, 21, 0, 0, 0, 28, 0, 0, 0]);
}

#[test]
fn stderr_explains_a_trap() {
    let body = "
        (i32.store (i32.const 4096) (i32.const 1026)) (i32.store (i32.const 4100) (i32.const 4))
        (drop (call $fd_write (i32.const 2) (i32.const 4096) (i32.const 1) (i32.const 4300)))
        (unreachable)";
    assert_eq!(error_of(&wasi(FD_WRITE, body)), "`process:double` panicked: name\n  at process");
}

#[test]
fn a_flood_of_output_is_cut() {
    let body = "
        (i32.store (i32.const 4096) (i32.const 0)) (i32.store (i32.const 4100) (i32.const 131072))
        (loop $more
            (drop (call $fd_write (i32.const 1) (i32.const 4096) (i32.const 1) (i32.const 4300)))
            (br $more))";
    let log = texts(ran(&wasi(FD_WRITE, body)).take_log());
    assert_eq!(log.last().unwrap(), "the log is cut here: its limit is 65536 bytes");
}

#[test]
fn the_exit_code() {
    let imports = r#"(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))"#;
    for code in [0, 3] {
        assert_eq!(
            error_of(&wasi(imports, &format!("(call $exit (i32.const {code}))"))),
            format!("`process:double` ended the program with exit code {code}")
        );
    }
}

#[test]
fn no_arguments_and_no_environment() {
    let imports = r#"
        (import "wasi_snapshot_preview1" "args_sizes_get" (func $args (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ (param i32 i32) (result i32)))"#;
    let body = "
        (memory.fill (i32.const 4096) (i32.const 255) (i32.const 16))
        (drop (call $args (i32.const 4096) (i32.const 4100)))
        (drop (call $environ (i32.const 4104) (i32.const 4108)))";
    assert_eq!(left(wasi(imports, body)), [0; 16]);
}

#[test]
fn no_files_no_network_no_sleep() {
    let imports = r#"
        (import "wasi_snapshot_preview1" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "path_open"
            (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "sock_accept" (func $accept (param i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))"#;
    let body = "
        (i32.store (i32.const 4096) (call $prestat (i32.const 3) (i32.const 0)))
        (i32.store (i32.const 4100) (call $open (i32.const 3) (i32.const 0) (i32.const 1024) (i32.const 4)
            (i32.const 0) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 4300)))
        (i32.store (i32.const 4104) (call $accept (i32.const 3) (i32.const 0) (i32.const 4300)))
        (i32.store (i32.const 4108) (call $poll (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 4300)))";
    // BADF, BADF, BADF, NOTSUP
    assert_eq!(left(wasi(imports, body)), [8, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0, 0, 58, 0, 0, 0]);
}

#[test]
fn clocks_and_random_numbers_are_the_same_in_every_run() {
    let imports = r#"
        (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
        (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))"#;
    let run = || {
        left(wasi(
            imports,
            "(drop (call $clock (i32.const 0) (i64.const 1) (i32.const 4096)))
             (drop (call $random (i32.const 4104) (i32.const 8)))",
        ))
    };
    let first = run();
    assert_eq!(first, run());
    assert_eq!(first[..8], [0; 8]);
    // The first output of SplitMix64 with seed 0, as its authors publish it.
    assert_eq!(first[8..], 0xe220_a839_7b1d_cdafu64.to_le_bytes());
}

/// All of preview 1.
const ALL: &str = r#"
        (import "wasi_snapshot_preview1" "args_get" (func (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "args_sizes_get" (func (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "clock_res_get" (func (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "clock_time_get" (func (param i32 i64 i32) (result i32)))
        (import "wasi_snapshot_preview1" "environ_get" (func (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "environ_sizes_get" (func (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_advise" (func (param i32 i64 i64 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_allocate" (func (param i32 i64 i64) (result i32)))
        (import "wasi_snapshot_preview1" "fd_close" (func (param i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_datasync" (func (param i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_fdstat_get" (func (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_fdstat_set_flags" (func (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_fdstat_set_rights" (func (param i32 i64 i64) (result i32)))
        (import "wasi_snapshot_preview1" "fd_filestat_get" (func (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_filestat_set_size" (func (param i32 i64) (result i32)))
        (import "wasi_snapshot_preview1" "fd_filestat_set_times" (func (param i32 i64 i64 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_pread" (func (param i32 i32 i32 i64 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_prestat_dir_name" (func (param i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_prestat_get" (func (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_pwrite" (func (param i32 i32 i32 i64 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_read" (func (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_readdir" (func (param i32 i32 i32 i64 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_renumber" (func (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_seek" (func (param i32 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_sync" (func (param i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_tell" (func (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "path_create_directory" (func (param i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "path_filestat_get" (func (param i32 i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "path_filestat_set_times"
            (func (param i32 i32 i32 i32 i64 i64 i32) (result i32)))
        (import "wasi_snapshot_preview1" "path_link" (func (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "path_open"
            (func (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "path_readlink" (func (param i32 i32 i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "path_remove_directory" (func (param i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "path_rename" (func (param i32 i32 i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "path_symlink" (func (param i32 i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "path_unlink_file" (func (param i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "poll_oneoff" (func (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
        (import "wasi_snapshot_preview1" "proc_raise" (func (param i32) (result i32)))
        (import "wasi_snapshot_preview1" "random_get" (func (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))
        (import "wasi_snapshot_preview1" "sock_accept" (func (param i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "sock_recv" (func (param i32 i32 i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "sock_send" (func (param i32 i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "sock_shutdown" (func (param i32 i32) (result i32)))"#;

#[test]
fn all_of_preview_1_can_be_imported() {
    let module = sandbox().compile(&Wat { imports: ALL, ..Wat::default() }.build()).unwrap();
    assert_eq!(module.imports().len(), 46);
}

#[test]
fn every_call_of_the_host_takes_fuel() {
    let sandbox = Sandbox::new(&Limits { fuel: Some(5000), ..limits() }, 1, 0).unwrap();
    let report = r#"(import "tilefn" "report" (func (param i32 i32 i32)))"#;
    let mut tried = 0;
    for import in ALL.split("(import").skip(1).map(|rest| format!("(import{rest}")).chain([report.to_owned()]) {
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
        let imports: &'static str = import.clone().leak();
        let wat = Wat { imports, ..processes(&format!("{} (i32.const 0)", call.repeat(60))) };
        let error = run(&sandbox, &wat).unwrap_err();
        assert!(matches!(error, Error::Fuel { .. }), "{import}: {error}");
        tried += 1;
    }
    assert_eq!(tried, 46);
}

#[test]
fn bytes_that_the_host_moves_take_fuel() {
    let sandbox = Sandbox::new(&Limits { fuel: Some(1_000_000), ..limits() }, 1, 0).unwrap();
    let imports = r#"
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
        (import "tilefn" "report" (func $report (param i32 i32 i32)))"#;
    let used = |body: &str| {
        let module = sandbox.compile(&Wat { imports, ..processes(&format!("{body} (i32.const 0)")) }.build()).unwrap();
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
