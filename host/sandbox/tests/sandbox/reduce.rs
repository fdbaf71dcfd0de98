//! Functions that accumulate a state over the tiles.

use tilefn_sandbox::{Limits, Sandbox};

use super::fixture::*;

/// Counts pixels: the state is a 32-bit number, the result its last decimal digit.
const PROCESS: &str = r#"
    (func (export "process:count") (param $call i32) (result i32)
        (i32.store (i32.const 64) (i32.mul
            (i32.load offset=48 (local.get $call)) (i32.load offset=52 (local.get $call))))
        (i32.store (i32.const 40) (i32.const 64))
        (i32.store (i32.const 44) (i32.const 4))
        (i32.const 32))"#;
const MERGE: &str = r#"
    (func (export "merge:count") (param $a i32) (param $a_len i32) (param $b i32) (param $b_len i32) (result i32)
        (i32.store (i32.const 64) (i32.add (i32.load (local.get $a)) (i32.load (local.get $b))))
        (i32.store (i32.const 40) (i32.const 64))
        (i32.store (i32.const 44) (i32.const 4))
        (i32.const 32))"#;
const FINISH: &str = r#"
    (func (export "finish:count") (param $state i32) (param $len i32) (result i32)
        (call $report (i32.const 2) (i32.const 1024) (i32.const 6))
        (i32.store8 (i32.const 64) (i32.add (i32.const 48) (i32.rem_u (i32.load (local.get $state)) (i32.const 10))))
        (i32.store (i32.const 40) (i32.const 64))
        (i32.store (i32.const 44) (i32.const 1))
        (i32.const 32))"#;

fn count(process: &str, merge: &str, finish: &str) -> Wat {
    Wat {
        imports: r#"(import "tilefn" "report" (func $report (param i32 i32 i32)))"#,
        describe: describes("count", r#"{"name":"count","reduce":true}"#),
        process: format!("{process} {merge} {finish}"),
        ..Wat::default()
    }
}

#[test]
fn states_are_merged_and_finished() {
    let sandbox = sandbox();
    let module = sandbox.compile(&count(PROCESS, MERGE, FINISH).build()).unwrap();
    let function = only(&module).unwrap();
    let state = |rows, cols| {
        let mut instance = function.instance().unwrap();
        let outcome = instance.process(&call(0, rows, cols)).unwrap();
        assert!(outcome.outputs.is_empty());
        instance.bytes(outcome.state.unwrap()).unwrap().to_vec()
    };
    assert_eq!(state(3, 4), 12u32.to_le_bytes());
    let merged = function.merge(&state(3, 4), &state(5, 5)).unwrap();
    assert_eq!(merged.value, 37u32.to_le_bytes());
    assert_eq!(merged.log, []);
    let finished = function.finish(&merged.value).unwrap();
    assert_eq!(finished.value, 7);
    assert!(finished.log[0].warning);
    assert_eq!(finished.log[0].text, r#"{"name"#);
}

#[test]
fn a_result_that_is_too_long() {
    let finish = r#"
        (func (export "finish:count") (param $state i32) (param $len i32) (result i32)
            (memory.fill (i32.const 131072) (i32.const 32) (i32.const 4194305))
            (i32.store8 (i32.const 131072) (i32.const 49))
            (i32.store (i32.const 40) (i32.const 131072))
            (i32.store (i32.const 44) (i32.const LENGTH))
            (i32.const 32))"#;
    let sandbox = sandbox();
    let finished = |length: &str| {
        let finish = finish.replace("LENGTH", length);
        let wat = Wat { memory: r#"(memory (export "memory") 70)"#, ..count(PROCESS, MERGE, &finish) };
        only(&sandbox.compile(&wat.build()).unwrap()).unwrap().finish(&[0; 4])
    };
    assert_eq!(finished("4194304").unwrap().value, 1);
    assert_eq!(
        finished("4194305").unwrap_err().to_string(),
        "the result of `finish:count`: 4194305 bytes, the limit is 4194304"
    );
}

#[test]
fn others_have_no_state() {
    let module = sandbox().compile(&Wat::default().build()).unwrap();
    assert_eq!(
        only(&module).unwrap().merge(&[], &[]).unwrap_err().to_string(),
        "sandbox: there is no `merge:double`: the function doesn't accumulate"
    );
}

/// The errors of `merge` and of `finish` with these bodies.
fn errors(body: &str) -> [String; 2] {
    let merge = format!(r#"(func $merge (export "merge:count") (param i32 i32 i32 i32) (result i32) {body})"#);
    let finish = format!(r#"(func $finish (export "finish:count") (param i32 i32) (result i32) {body})"#);
    let sandbox = Sandbox::new(&Limits { state_bytes: 1000, ..limits() }, 1, 0).unwrap();
    let module = sandbox.compile(&count(PROCESS, &merge, &finish).build()).unwrap();
    let function = only(&module).unwrap();
    let errors = [function.merge(&[1], &[2]).unwrap_err(), function.finish(&[1]).unwrap_err()];
    assert_works(&sandbox);
    errors.map(|error| error.to_string())
}

/// Stores the fields of an outcome at address 32 and returns it.
fn outcome(output_count: u32, state: i64, len: i64) -> String {
    format!(
        "(i32.store (i32.const 36) (i32.const {output_count}))
         (i32.store (i32.const 40) (i32.const {state}))
         (i32.store (i32.const 44) (i32.const {len}))
         (i32.const 32)"
    )
}

#[test]
fn hostile_merges_and_finishes() {
    assert_eq!(
        errors("(loop $for_ever (br $for_ever)) (unreachable)"),
        [
            "`merge:count` ran longer than 100ms, the time limit\n  at merge",
            "`finish:count` ran longer than 100ms, the time limit\n  at finish"
        ]
    );
    assert_eq!(
        errors("(unreachable)"),
        [
            "`merge:count` trapped: wasm `unreachable` instruction executed\n  at merge",
            "`finish:count` trapped: wasm `unreachable` instruction executed\n  at finish"
        ]
    );
    let violations = [
        ("(i32.const 0)".to_owned(), "it returned null without an error report", ""),
        ("(i32.const -4)".to_owned(), "16 bytes of the outcome at pointer 4294967292 aren't inside its memory", ""),
        (outcome(1, 64, 4), "it returned 1 outputs, but only `process` may", ""),
        (
            outcome(0, -1, 4),
            "4 bytes of the state at pointer 4294967295 aren't inside its memory",
            "4 bytes of the result at pointer 4294967295 aren't inside its memory",
        ),
    ];
    for (body, merge, finish) in violations {
        let finish = if finish.is_empty() { merge } else { finish };
        assert_eq!(
            errors(&body),
            [format!("`merge:count` broke the ABI: {merge}"), format!("`finish:count` broke the ABI: {finish}")]
        );
    }
    assert_eq!(
        errors(&outcome(0, 64, 1001)),
        [
            "the state of `merge:count`: 1001 bytes, the limit is 1000",
            "the result of `finish:count`: 1001 bytes, the limit is 1000"
        ]
    );
}

#[test]
fn a_result_that_is_not_json() {
    let finish = format!(r#"(func (export "finish:count") (param i32 i32) (result i32) {})"#, outcome(0, 1024, 5));
    let module = sandbox().compile(&count(PROCESS, MERGE, &finish).build()).unwrap();
    assert_eq!(
        only(&module).unwrap().finish(&[1]).unwrap_err().to_string(),
        "`finish:count` broke the ABI: its result isn't JSON: EOF while parsing a string at line 1 column 5"
    );
}

#[test]
fn a_tile_without_a_state() {
    let process = r#"(func (export "process:count") (param i32) (result i32)
        (i32.store (i32.const 40) (i32.const 131071)) (i32.store (i32.const 44) (i32.const 2)) (i32.const 32))"#;
    assert_eq!(
        error_of(&count(process, MERGE, FINISH)),
        "`process:count` broke the ABI: 2 bytes of the state at pointer 131071 aren't inside its memory"
    );
}
