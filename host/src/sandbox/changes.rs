//! What a module's code can change in its instance, beside the bytes of its memory.

use std::ops::Range;

use wasmparser::{Data, DataKind, FunctionBody, Global, Operator, Parser, Payload, TypeRef, ValType};

/// What has to be put back, for an instance to be as it was; tables and segments stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// The indices of the globals that can be set.
    pub globals: Vec<u32>,
    /// The part of memory in which the data segments are.
    pub image: Range<u64>,
}

/// What code of this module can change; `None` if that is more than can be put back, or the module is none.
pub(super) fn of(wasm: &[u8]) -> Option<Changes> {
    let mut changes = Changes::default();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.ok()? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    // What is imported is counted before what the module has of its own.
                    if !matches!(import.ok()?.ty, TypeRef::Func(_)) {
                        return None;
                    }
                }
            }
            Payload::GlobalSection(globals) => {
                for (index, global) in (0..).zip(globals) {
                    changes.globals.extend(can_be_set(&global.ok()?)?.then_some(index));
                }
            }
            Payload::DataSection(segments) => {
                for segment in segments {
                    let place = place(&segment.ok()?)?;
                    changes.image = match changes.image {
                        image if place.is_empty() => image,
                        image if image.is_empty() => place,
                        image => image.start.min(place.start)..image.end.max(place.end),
                    };
                }
            }
            Payload::CodeSectionEntry(body) if !keeps_tables_and_segments(&body)? => return None,
            _ => {}
        }
    }
    Some(changes)
}

/// Whether a global can be set; `None` for one that can, to a reference.
fn can_be_set(global: &Global<'_>) -> Option<bool> {
    match (global.ty.mutable, global.ty.content_type) {
        (false, _) => Some(false),
        (true, ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64 | ValType::V128) => Some(true),
        (true, ValType::Ref(_)) => None,
    }
}

/// Where in the memory a segment is; `None` if that isn't a plain number.
fn place(segment: &Data<'_>) -> Option<Range<u64>> {
    match &segment.kind {
        DataKind::Passive => Some(0..0),
        DataKind::Active { offset_expr, .. } => {
            let mut operators = offset_expr.get_operators_reader();
            match (operators.read().ok()?, operators.read().ok()?) {
                (Operator::I32Const { value }, Operator::End) => {
                    let start = u64::from(value.cast_unsigned());
                    Some(start..start.checked_add(u64::try_from(segment.data.len()).ok()?)?)
                }
                _ => None,
            }
        }
    }
}

fn keeps_tables_and_segments(body: &FunctionBody<'_>) -> Option<bool> {
    for operator in body.get_operators_reader().ok()? {
        match operator.ok()? {
            Operator::DataDrop { .. }
            | Operator::ElemDrop { .. }
            | Operator::TableSet { .. }
            | Operator::TableGrow { .. }
            | Operator::TableFill { .. }
            | Operator::TableCopy { .. }
            | Operator::TableInit { .. } => return Some(false),
            _ => {}
        }
    }
    Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(fields: &str) -> Option<Changes> {
        of(&wat::parse_str(format!("(module {fields} (memory 2) (table 1 funcref))")).unwrap())
    }

    #[test]
    fn globals_and_the_place_of_the_data() {
        let found = changes(
            r#"(import "m" "f" (func))
            (global i32 (i32.const 1))
            (global (mut i64) (i64.const 2))
            (global (mut v128) (v128.const i64x2 3 4))
            (data "passive")
            (data (i32.const 65536) "abc")
            (data (i32.const 7) "defg")"#,
        );
        assert_eq!(found, Some(Changes { globals: vec![1, 2], image: 7..65539 }));
        assert_eq!(changes(""), Some(Changes::default()));
    }

    #[test]
    fn what_can_not_be_put_back() {
        for fields in [
            r#"(import "m" "g" (global (mut i32)))"#,
            r#"(import "m" "g" (global $g i32)) (data (global.get $g) "x")"#,
            "(global $g i32 (i32.const 1)) (data (global.get $g) \"x\")",
            "(global (mut funcref) (ref.null func))",
            r#"(data $d "x") (func (data.drop $d))"#,
            "(elem $e func) (func (elem.drop $e))",
            "(func (table.set 0 (i32.const 0) (ref.null func)))",
            "(func (drop (table.grow 0 (ref.null func) (i32.const 1))))",
            "(func (table.fill 0 (i32.const 0) (ref.null func) (i32.const 1)))",
            "(func (table.copy 0 0 (i32.const 0) (i32.const 0) (i32.const 1)))",
            "(elem $e func) (func (table.init 0 $e (i32.const 0) (i32.const 0) (i32.const 0)))",
        ] {
            assert_eq!(changes(fields), None, "{fields}");
        }
        assert_eq!(of(b"\0asm\x01\0\0\0\x0b\xff"), None);
    }
}
