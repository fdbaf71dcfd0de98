//! Functions that accumulate a state over the tiles.

use tilefn_sandbox::{Limits, Sandbox};

use super::fixture::*;

/// A guest that accumulates.
fn counting(name: &str) -> Guest {
    guest(name).with("describe", describes("count", r#"{"name":"count","reduce":true}"#))
}

#[test]
fn states_are_merged_and_finished() {
    let sandbox = sandbox();
    let module = sandbox.compile(&counting("counts").build()).unwrap();
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
    let sandbox = sandbox();
    let finished = |first: u8, length: u32| {
        let guest = counting("finishes-at-length").with("length", length).with("first", first);
        only(&sandbox.compile(&guest.build()).unwrap()).unwrap().finish(&[0; 4])
    };
    assert_eq!(finished(b'1', 4_194_304).unwrap().value, 1);
    assert_eq!(
        finished(b'1', 4_194_305).unwrap_err().to_string(),
        "the result of `finish:count`: 4194305 bytes, the limit is 4194304"
    );
    // A text takes no more memory than its bytes.
    assert_eq!(finished(b'"', 4_194_305).unwrap().value.as_str().unwrap().len(), 4_194_303);
}

#[test]
fn others_have_no_state() {
    let module = sandbox().compile(&good().build()).unwrap();
    assert_eq!(
        only(&module).unwrap().merge(&[], &[]).unwrap_err().to_string(),
        "sandbox: there is no `merge:double`: the function doesn't accumulate"
    );
}

/// The errors of `merge` and of `finish` with these instructions.
fn errors(instructions: &str) -> [String; 2] {
    let sandbox = Sandbox::new(&Limits { state_bytes: 1000, ..limits() }, 1, 0).unwrap();
    let module = sandbox.compile(&counting("merges-and-finishes").with("instructions", instructions).build()).unwrap();
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
    let guest = counting("merges-and-finishes").with("instructions", outcome(0, 1024, 5));
    let module = sandbox().compile(&guest.build()).unwrap();
    assert_eq!(
        only(&module).unwrap().finish(&[1]).unwrap_err().to_string(),
        "`finish:count` broke the ABI: its result isn't JSON: EOF while parsing a string at line 1 column 5"
    );
}

#[test]
fn a_tile_without_a_state() {
    assert_eq!(
        error_of(counting("state-from-elsewhere")),
        "`process:count` broke the ABI: 2 bytes of the state at pointer 131071 aren't inside its memory"
    );
}
