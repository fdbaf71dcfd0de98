//! Files that aren't modules, and modules that aren't for this host.

use std::time::Duration;

use tilefn_sandbox::{Limits, Sandbox};

use super::fixture::*;

#[test]
fn other_files() {
    let sandbox = sandbox();
    let cases: [(&[u8], &str); 5] = [
        (b"", "not a WebAssembly module: it doesn't begin with `\\0asm`"),
        (b"(module)", "not a WebAssembly module: it doesn't begin with `\\0asm`"),
        (b"\x7fELF\x02\x01\x01\x00", "not a WebAssembly module: it doesn't begin with `\\0asm`"),
        (b"\0asm\x02\0\0\0", "not a WebAssembly module: it has an unknown version of the binary format"),
        (
            b"\0asm\x0d\0\x01\0",
            "not a WebAssembly module: it is a component; tilefn runs core modules \
             (build for wasm32-unknown-unknown or wasm32-wasip1)",
        ),
    ];
    for (bytes, message) in cases {
        assert_eq!(sandbox.compile(bytes).err().unwrap().to_string(), message);
    }
    assert_works(&sandbox);
}

#[test]
fn half_a_module() {
    let mut wasm = good().build();
    wasm.truncate(100);
    assert_eq!(
        sandbox().compile(&wasm).err().unwrap().to_string(),
        "the module can't be compiled: failed to parse WebAssembly module: unexpected end-of-file (at offset 0x35)"
    );
}

#[test]
fn a_module_above_the_size_limit() {
    let sandbox = Sandbox::new(&Limits { module_bytes: 100, ..limits() }, 1, 0).unwrap();
    let wasm = good().build();
    let message = format!("the module: {} bytes, the limit is 100", wasm.len());
    assert_eq!(sandbox.compile(&wasm).err().unwrap().to_string(), message);
}

#[test]
fn a_module_that_takes_too_long_to_compile() {
    let sandbox = Sandbox::new(&Limits { compile_time: Duration::ZERO, ..limits() }, 1, 0).unwrap();
    assert_eq!(
        sandbox.compile(&good().build()).err().unwrap().to_string(),
        "compiling the module takes longer than 0ns"
    );
}

#[test]
fn abi_versions() {
    let guest = good().with("marker", "");
    assert_eq!(error_of(guest), "the module doesn't export `tilefn_abi_v1`: it wasn't built with the tilefn guest SDK");
    let guest = good().with("marker", r#"(func (export "tilefn_abi_v2"))"#);
    assert_eq!(
        error_of(guest),
        "the module speaks ABI version 2, this tilefn version 1: build it with the guest SDK of this tilefn"
    );
    let guest = good().with("marker", r#"(global (export "tilefn_abi_v1") i32 (i32.const 1))"#);
    assert_eq!(error_of(guest), "the module's export `tilefn_abi_v1` must be a function, but is a global");
}

#[test]
fn the_version_is_checked_before_anything_runs() {
    let guest = good().with("marker", r#"(func (export "tilefn_abi_v2"))"#);
    let guest = guest.with("more", "(func $start (unreachable)) (start $start)");
    assert!(error_of(guest).starts_with("the module speaks ABI version 2"));
}

#[test]
fn imports() {
    let cases = [
        (
            r#"(import "env" "system" (func (param i32) (result i32)))"#,
            "the module imports `env.system`: tilefn offers only `tilefn.report` and WASI preview 1",
        ),
        (
            r#"(import "wasi_snapshot_preview1" "sock_connect" (func (param i32) (result i32)))"#,
            "the module imports `wasi_snapshot_preview1.sock_connect`: tilefn offers only `tilefn.report` and WASI preview 1",
        ),
        (
            r#"(import "tilefn" "report" (func (param i32 i32) (result i32)))"#,
            "the module imports `tilefn.report` as a function (i32, i32) -> (i32), but it is a function (i32, i32, i32) -> ()",
        ),
        (
            r#"(import "tilefn" "report" (global i32))"#,
            "the module imports `tilefn.report` as a global, but it is a function (i32, i32, i32) -> ()",
        ),
        (
            r#"(import "\1b[2J" "\0a" (func))"#,
            "the module imports `\\u{1b}[2J.\\n`: tilefn offers only `tilefn.report` and WASI preview 1",
        ),
    ];
    let sandbox = sandbox();
    for (imports, message) in cases {
        assert_eq!(error_in(&sandbox, good().with("imports", imports)).to_string(), message);
    }
}

#[test]
fn an_imported_memory() {
    let guest = good().with("memory", "").with("imports", r#"(import "env" "memory" (memory 2))"#);
    assert_eq!(
        error_of(guest),
        "the module imports `env.memory`: tilefn offers only `tilefn.report` and WASI preview 1"
    );
}

#[test]
fn exports() {
    let more = |more: &str| good().with("more", more);
    let process = |process: &str| good().with("process", process);
    let cases = [
        (good().with("memory", "(memory 2)"), "the module's export `memory` is missing"),
        (
            good().with("memory", r#"(memory 2) (global (export "memory") i32 (i32.const 0))"#),
            "the module's export `memory` must be a 32-bit memory, but is a global",
        ),
        (good().with("alloc", ""), "the module's export `tilefn_alloc` is missing"),
        (
            good().with("alloc", r#"(func (export "tilefn_alloc") (param i32) (result i32) (i32.const 0))"#),
            "the module's export `tilefn_alloc` must be a function (i32, i32) -> (i32), but is a function (i32) -> (i32)",
        ),
        (process("").with("describe", ""), "the module's export `describe:…` is missing: the module has no function"),
        (process(""), "the module's export `process:double` is missing, but `describe:double` is there"),
        (good().with("describe", ""), "the module's export `describe:…` is missing: the module has no function"),
        (
            more(r#"(func (export "process:other") (param i32) (result i32) (i32.const 0))"#),
            "the module's export `describe:other` is missing, but `process:other` is there",
        ),
        (
            process(r#"(func (export "process:double") (param i64) (result i32) (i32.const 0))"#),
            "the module's export `process:double` must be a function (i32) -> (i32), but is a function (i64) -> (i32)",
        ),
        (
            process(r#"(table (export "process:double") 1 funcref)"#),
            "the module's export `process:double` must be a function (i32) -> (i32), but is a table",
        ),
        (
            good().with("describe", r#"(func (export "describe:double") (result i32) (i32.const 0))"#),
            "the module's export `describe:double` must be a function () -> (i64), but is a function () -> (i32)",
        ),
        (
            more(r#"(func (export "merge:double") (param i32 i32 i32 i32) (result i32) (i32.const 0))"#),
            "the module's export `finish:double` is missing, but `merge:double` is there",
        ),
        (
            more(r#"(func (export "finish:double") (param i32 i32) (result i32) (i32.const 0))"#),
            "the module's export `merge:double` is missing, but `finish:double` is there",
        ),
        (
            more(r#"(func (export "describe:a b") (result i64) (i64.const 0))"#),
            "the module's export `describe:a b` doesn't name a function: a name has 1 to 64 letters A-Z a-z, digits, \
             `_` or `-`, and no digit or `-` first",
        ),
        (
            more(r#"(func (export "_initialize") (param i32))"#),
            "the module's export `_initialize` must be a function () -> (), but is a function (i32) -> ()",
        ),
    ];
    let sandbox = sandbox();
    for (guest, message) in cases {
        assert_eq!(error_in(&sandbox, guest).to_string(), message);
    }
}

#[test]
fn too_many_functions() {
    let describe = |i| format!(r#"(func (export "describe:f{i}") (result i64) (i64.const 0))"#);
    let more: String = (0..256).map(describe).collect();
    assert_eq!(
        error_of(good().with("more", more)),
        "the module's export `describe:…` is there 257 times, the limit is 256"
    );
}

#[test]
fn parts_of_webassembly_that_are_off() {
    let more = |more: &str| good().with("more", more);
    let memory = |memory: &str| good().with("memory", memory);
    let cases = [
        (
            memory(r#"(memory (export "memory") i64 2)"#).with("alloc", "").with("process", ""),
            "memory64 must be enabled for 64-bit memories",
        ),
        (memory(r#"(memory (export "memory") 2 2 shared)"#), "threads must be enabled for shared memories"),
        (more("(memory 1)"), "multiple memories"),
        (more("(table 1 funcref) (table 1 funcref)"), "defined tables count of 2 exceeds the per-instance limit of 1"),
        (
            more(
                "(func (param v128 v128 v128) (result v128)
                    (f32x4.relaxed_madd (local.get 0) (local.get 1) (local.get 2)))",
            ),
            "relaxed SIMD support is not enabled",
        ),
        (more("(func $f (result i32) (return_call $f))"), "tail calls support is not enabled"),
        (more("(tag $t) (func (throw $t))"), "exceptions proposal not enabled"),
        (more("(type (struct (field i32)))"), "struct indexed types not supported without the gc feature"),
    ];
    let sandbox = sandbox();
    for (guest, reason) in cases {
        let text = error_in(&sandbox, guest).to_string();
        assert!(text.starts_with("the module can't be compiled: "), "{text}");
        let without_offset = text.split(" (at offset").next().unwrap();
        assert!(without_offset.ends_with(reason), "{text}");
    }
}
