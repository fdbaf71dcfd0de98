//! The language without running anything; tests/e2e/expressions.rs compares pixels with numpy's.

mod hostile;
mod meaning;

use crate::{Input, Param, Source, compile};
use tilefn_abi::{DType, ParamKind};

/// Two single bands, a scene of four, a list of three files.
fn source(text: &str) -> Source<'_> {
    let input = |name: &str, dtype, bands, files: Option<u32>| Input {
        name: name.to_owned(),
        dtype,
        list: files.is_some(),
        files,
        bands: Some(bands),
    };
    Source {
        text,
        inputs: vec![
            input("a", DType::Float32, 1, None),
            input("q", DType::UInt16, 1, None),
            input("scene", DType::UInt16, 4, None),
            input("dates", DType::Int16, 2, Some(3)),
            input("pair", DType::Int16, 2, Some(2)),
            input("big", DType::UInt32, 1, None),
        ],
        params: vec![
            Param { name: "k".to_owned(), kind: ParamKind::Float, default: None },
            Param { name: "n".to_owned(), kind: ParamKind::Int, default: None },
        ],
        ..Source::default()
    }
}

/// All messages, without places and remedies.
fn messages(text: &str) -> Vec<String> {
    match compile(&source(text)) {
        Ok(_) => Vec::new(),
        Err(mistakes) => mistakes.all.into_iter().map(|mistake| mistake.message).collect(),
    }
}
