//! Texts of whatever size and form end in a module or in mistakes, soon.

use super::{messages, source};
use crate::{compile, names, results};
use proptest::prelude::*;

#[test]
fn too_deep_long_and_many() {
    for (open, close) in [("(", ")"), ("-", ""), ("not ", ""), ("abs(", ")"), ("2 ** ", ""), ("scene[", "]")] {
        for n in [50, 100, 10_000] {
            let text = format!("{}a{}", open.repeat(n), close.repeat(n));
            let deep = messages(&text).first().is_some_and(|message| message == "nested more than 64 deep");
            assert!(deep == (n > 64) || open == "scene[", "{open} {n}");
        }
    }
    let sum = |n: usize| format!("a{}", " + a * 2".repeat(n));
    assert_eq!(messages(&sum(900)), [""; 0]);
    assert_eq!(messages(&sum(5000)), ["the expression has more than 4000 parts"]);
    assert_eq!(messages(&sum(100_000)), ["an expression has at most 65536 bytes, this one has 800001"]);
    // Each statement doubles the value: there are few nodes however often they are used.
    let doubled: String = (0..60).map(|n| format!("x{} = x{n} + x{n} * a;", n + 1)).collect();
    assert_eq!(messages(&format!("x0 = a;{doubled}")), [""; 0]);
    // As with statistics of statistics.
    let nested: String = (0..60).map(|n| format!("x{} = mean(dates - x{n} + mean(scene + x{n}));", n + 1)).collect();
    assert!(messages(&format!("x0 = a;{nested}")).len() <= 60);
    let nested: String =
        (0..20).map(|n| format!("x{} = mean(mean(dates) - x{n} + max(dates * x{n}));", n + 1)).collect();
    let nested = messages(&format!("x0 = a;{nested}"));
    assert!(nested.is_empty() || nested == ["the expression is too large"], "{nested:?}");
    let outputs: String = (0..65).map(|n| format!("x{n} = a;")).collect();
    assert_eq!(messages(&outputs), ["an expression has at most 64 outputs, this one has 65"]);
    // Nearly all of the allowed parts, each with calls.
    let calls = format!("a{}", " + sin(a) ** big".repeat(500));
    assert!(messages(&calls).is_empty());
}

/// Terms that are all different, so that none is computed once for several.
#[test]
fn different_terms() {
    let terms: String = (0..599).map(|n| format!("q * {n}.5 + ")).collect();
    let outputs: String = (0..64).map(|n| format!("o{n} = all + {n};")).collect();
    assert_eq!(messages(&format!("all = {terms} 0; {outputs}")), [""; 0]);
    let statistics: String = (0..64).map(|n| format!("median(dates * {n}.5) + ")).collect();
    assert_eq!(messages(&format!("{statistics} 0")), [""; 0]);
    assert_eq!(messages(&format!("{statistics} mean(dates)")), ["there are more than 64 statistics"]);
    // Names that are much alike, and long.
    let (near, name) = ("a".repeat(65), "a".repeat(30_000));
    let text = format!("{near} = q; {name} = q; x = {name}b + {near}c");
    let Err(mistakes) = compile(&source(&text)) else { panic!("unknown names") };
    assert!(mistakes.all.len() == 2 && mistakes.all.iter().all(|mistake| !mistake.remedy.contains("did you mean")));
}

fn word() -> impl Strategy<Value = &'static str> {
    let words = [
        "a",
        "q",
        "scene",
        "dates",
        "big",
        "k",
        "1",
        "2.5",
        "0x7f",
        "nan",
        "True",
        "+",
        "-",
        "*",
        "/",
        "//",
        "%",
        "**",
        "&",
        "|",
        "^",
        "~",
        "<<",
        ">>",
        "<",
        "<=",
        "==",
        "!=",
        "and",
        "or",
        "not",
        "(",
        ")",
        "(",
        ")",
        "[",
        "]",
        ",",
        "=",
        ";",
        "\n",
        "where(",
        "mean(",
        "median(",
        "percentile(",
        "min(",
        "clip(",
        "fill(",
        "isvalid(",
        "sqrt(",
        "exp(",
        "x",
        "x =",
        "#",
        "np.",
        "ü",
        ".",
    ];
    proptest::sample::select(words.to_vec())
}

proptest! {
    #[test]
    fn words_in_any_order(words in proptest::collection::vec(word(), 0..30)) {
        let text = words.join(" ");
        if let Err(mistakes) = compile(&source(&text)) {
            prop_assert!(!mistakes.all.is_empty());
            prop_assert!(!mistakes.to_string().is_empty());
        }
        names(&text);
        results(&text);
    }

    #[test]
    fn any_text(text in "\\PC{0,60}") {
        if let Err(mistakes) = compile(&source(&text)) {
            prop_assert!(!mistakes.to_string().is_empty());
        }
    }
}
