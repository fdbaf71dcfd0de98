//! What is said about wrong classes and colours of outputs, word for word.

use super::messages::said;

#[test]
fn classes_and_colours() {
    for (lines, message) in [
        (
            "path = 'x'\ncolor_table = 5",
            "5:15: outputs.a.color_table: expected the name of a colour ramp, or colours by value, found 5",
        ),
        (
            "path = 'x'\ncolor_table = {}",
            "5:1: outputs.a.color_table: expected the name of a colour ramp, or colours by value, found a table",
        ),
        (
            "path = 'x'\ncolor_table = { 1 = 'red', 2 = '#000000' }",
            "5:21: outputs.a.color_table.1: expected a colour as \"#rrggbb\" or \"#rrggbbaa\", found \"red\"",
        ),
        (
            "path = 'x'\ncolor_table = { 1 = '#ffffff' }",
            "5:1: outputs.a.color_table: one colour makes no ramp\n  \
             hint: give colours of two values or more, or set `thematic = true` if the values are classes",
        ),
        (
            "path = 'x'\ncolor_table = { 01 = '#ffffff', 2 = '#000000' }",
            "5:17: outputs.a.color_table.01: expected a value, a whole number, found \"01\"",
        ),
        (
            "path = 'x'\nclasses = 'water'",
            "5:11: outputs.a.classes: expected a table of classes, found \"water\"\n  \
             hint: for example: classes = { 1 = { name = \"water\", color = \"#2b83ba\" } }",
        ),
        (
            "path = 'x'\nclasses = { 1 = 'water' }",
            "5:17: outputs.a.classes.1: expected a table, found \"water\"\n  \
             hint: write [outputs.a.classes.1] on a line of its own, its keys below",
        ),
        (
            "path = 'x'\nclasses = { water = { name = 'water' } }",
            "5:13: outputs.a.classes.water: expected a class's value, a whole number, found \"water\"",
        ),
        (
            "path = 'x'\nclasses = { 1 = { } }",
            "5:13: outputs.a.classes.1.name: missing\n  hint: for example: name = \"water\"",
        ),
        (
            "path = 'x'\nclasses = { 1 = { name = ' ' } }",
            "5:26: outputs.a.classes.1.name: expected a name of one line, found \" \"",
        ),
        (
            "path = 'x'\nclasses = { 1 = { name = 'a', color = '#12345' } }",
            "5:39: outputs.a.classes.1.color: expected a colour as \"#rrggbb\" or \"#rrggbbaa\", found \"#12345\"",
        ),
        (
            "path = 'x'\nthematic = false\nclasses = { 1 = { name = 'a' } }",
            "5:12: outputs.a.thematic: contradicts `classes`, which make the output thematic",
        ),
        (
            "path = 'x'\ncolor_table = { 1 = '#000000', 2 = '#ffffff' }\nclasses = { 1 = { name = 'a' } }",
            "5:1: outputs.a.color_table: contradicts `classes`, each of which may have its `color`\n  \
             hint: leave `color_table` out, or name a colour ramp for the classes that have none",
        ),
    ] {
        assert_eq!(said(&format!("[outputs.a]\n{lines}\n")), format!("job.toml:{message}"));
    }
}
