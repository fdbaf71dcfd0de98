//! What is right, what is wrong, and of what type it is.

use super::{messages, source};
use crate::{check, compile, names, parse, results};
use tilefn_abi::DType;

/// The types of the outputs.
fn types(text: &str) -> Vec<DType> {
    let source = source(text);
    let mut mistakes = Vec::new();
    let graph = check::check(&source, &parse::parse(text, &mut mistakes), &mut mistakes);
    assert_eq!(mistakes, [], "{text}");
    graph.outputs.iter().map(|output| output.dtype).collect()
}

#[test]
fn types_of_outputs() {
    use DType::{Float32, Float64, Int32, Int64, UInt8};
    for (text, dtype) in [
        ("a + q", Float32),
        ("a > q", UInt8),
        ("a > 1 and q", UInt8),
        ("q & 3", Int32),
        ("~q >> 2", Int32),
        ("q << 2", Int32),
        ("q << 9", Int64),
        ("q & (1 << 10 | 1 << 11)", Int32),
        ("where(q & (1 << 10 | 1 << 11), nan, q)", Float32),
        ("where(q & 3 == n, nan, q)", Float32),
        ("where(q & 3 > k, nan, q)", Float32),
        ("where(q | n, nan, q)", Float64),
        ("(q | 0x800000) + 0", Float32),
        ("(q | 0x1000000) + 0", Float64),
        ("(q ^ -0x1000001) + 0", Float64),
        ("-(~q ^ 0xFFFFFF) | 1", Int64),
        ("q & 0x80000000", Int64),
        ("round(a) & 1", Int64),
        ("big & 1", Int64),
        ("big + a", Float64),
        ("(q << 2) * 0.5", Float32),
        ("(q << 20) * 0.5", Float64),
        ("count(dates)", Float32),
        ("where(a > 1, q & 1, 7)", Int32),
        ("where(a > 1, q & 1, 0.5)", Float32),
        ("isvalid(big)", UInt8),
    ] {
        assert_eq!(types(text), [dtype], "{text}");
    }
}

#[test]
fn every_mistake_is_told() {
    assert_eq!(
        messages("x = b + c\ny = (a +\nz = foo(a)"),
        [
            "`b` is neither an input nor a parameter, nor has it been given a value before",
            "`c` is neither an input nor a parameter, nor has it been given a value before",
            "= gives a value a name",
        ]
    );
    // What follows from one isn't another.
    assert_eq!(messages("x = q q\ny = x + 1"), ["expected an operator, or the end"]);
    assert_eq!(messages("x = (q\ny = x + b").len(), 1);
    for (text, message) in [
        ("", "the expression is empty"),
        ("# nothing", "the expression is empty"),
        ("a b", "expected an operator, or the end"),
        ("a)", "nothing is open that this closes"),
        ("a && q", "&& is no operator"),
        ("!a", "! is no operator"),
        ("a if q else 1", "expected an operator, or the end"),
        ("2x", "2x is no number"),
        ("1e999", "1e999 is too large"),
        ("0xFFFFFFFFFFFFFFFF & q", "0xFFFFFFFFFFFFFFFF is too large"),
        ("0x & q", "0x is no number"),
        ("0b12", "0b12 is no number"),
        ("q | 1e20", "100000000000000000000 is too large for |"),
        ("mean(dates, axis=0)", "= gives a value a name, and arguments have none"),
        ("percentile(dates, percent=50)", "= gives a value a name, and arguments have none"),
        ("a $ q", "'$' has no meaning here"),
        ("a(1)", "`a` is an input, not a function"),
        ("mean", "`mean` is a function, which takes values in parentheses"),
        ("mean(scene[1])", "`mean` is for each pixel over the files of a list, or over bands, and this has one value"),
        ("median(dates - pair)", "`dates` has 3 files and `pair` has 2"),
        ("mean(dates) + scene", "`scene` has 4 bands and `dates` has 2"),
        ("a[1][1]", "only an input has bands to choose from"),
        ("scene[k]", "a band is chosen by its number, from 1"),
        ("q >> a", ">> is by a number from 0 to 63"),
        ("q << 64", "<< is by a number from 0 to 63"),
        ("(a > 1) & q", "& joins two conditions, or the bits of two whole numbers, and here it has one of each"),
        ("percentile(dates, 101)", "a percentile is a number from 0 to 100, or a parameter"),
        ("percentile(dates, a)", "a percentile is a number from 0 to 100, or a parameter"),
        ("a; q", "this value has no name"),
        ("pair", "`pair` is a list of files, and an output has one raster"),
    ] {
        assert_eq!(messages(text).first().map(String::as_str), Some(message), "{text}");
    }
}

#[test]
fn right_ones() {
    for text in [
        "a",
        "(a\n +\n q)",
        "x = a; y = x * x; y = y + 1",
        "a = a * 2",
        "q & 3 == 2 and a < 1 <= 2",
        "np.where(numpy.isvalid(a), .5, 1_000)",
        "percentile(dates, k)",
        "mean(median(dates) * scene[2])",
        "max(a, 1, k, scene[4])",
        "- - -a ** -q",
        "not not a",
        "9223372036854775807 & q",
    ] {
        assert_eq!(messages(text), [""; 0], "{text}");
    }
}

/// The same text is the same module, and the value of a parameter isn't part of it.
#[test]
fn modules_are_reproducible() {
    let text = "x = median(where(dates > k, nan, dates)) + exp(a)";
    let module = compile(&source(text)).unwrap().module;
    assert_eq!(module, compile(&source(text)).unwrap().module);
    assert!(module.len() < 40_000, "{}", module.len());
    // Functions that aren't called are left out.
    assert!(compile(&source("a + 1")).unwrap().module.len() < module.len());
}

#[test]
fn what_is_not_used() {
    let unused = |text| compile(&source(text)).unwrap().unused;
    assert_eq!(unused("a + q + scene[2] + big * k"), ["input `dates`", "input `pair`", "parameter `n`"]);
    assert_eq!(unused("x = a + q + n + scene[1] + mean(dates) * mean(pair); y = percentile(dates, k) + big"), [""; 0]);
}

/// Which have values where no input has any.
#[test]
fn those_that_fill() {
    for (text, fills) in [
        ("a + 1", false),
        ("fill(a, 0)", true),
        ("fill(a, q)", false),
        ("fill(a, nan)", false),
        ("a + fill(q, 0)", false),
        ("where(a > 0, 1, 2)", false),
        ("where(isvalid(a), a, q)", false),
        ("where(isvalid(a), a, 1)", true),
        ("not isvalid(a)", true),
        ("count(dates)", true),
        ("mean(dates)", false),
        ("mean(fill(dates, k))", true),
        ("x = a; y = 3", true),
        ("sqrt(k)", true),
        ("q & 3 | 1", false),
        ("min(a, 5)", false),
    ] {
        assert_eq!(compile(&source(text)).unwrap().fills, fills, "{text}");
    }
}

#[test]
fn names_of_a_text() {
    assert_eq!(names("x = red + k; y = x * pi + where(nir > red, nan, True)"), ["red", "k", "nir"]);
    assert_eq!(results("x = red; y = x + 1; z = 2"), ["y", "z"]);
    assert!(results("red + 1").is_empty());
    // A name that is given again.
    assert_eq!(results("q = q * 2"), ["q"]);
    assert_eq!(results("y = q; y = y * 2"), ["y"]);
    assert_eq!(results("x = q; y = x; x = 2; z = y"), ["x", "z"]);
    assert_eq!(results("x = q; x = 2; y = x"), ["y"]);
    assert!(names("((").is_empty());
}

/// A mistake in a long line, and after a character of several bytes.
#[test]
fn carets() {
    let text = format!("x = 'ü'\n{}b", "a + ".repeat(100));
    let shown = compile(&source(&text)).unwrap_err().to_string();
    assert!(shown.lines().all(|line| line.chars().count() <= 140), "{shown}");
    assert!(
        shown.contains("'ü' has no meaning") || shown.contains("'\\'' has no meaning here\n  x = 'ü'\n      ^"),
        "{shown}"
    );
    assert!(shown.ends_with("the inputs are: a, q, scene, dates, pair, big; the parameters are: k, n"), "{shown}");
    let (line, carets) = (shown.lines().rev().nth(2).unwrap(), shown.lines().rev().nth(1).unwrap());
    assert_eq!(line.chars().nth(carets.find('^').unwrap()), Some('b'), "{shown}");
}
