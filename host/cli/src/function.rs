//! The job's function as the bytes that workers get: a module as it is, or a Python program with its files in one piece.

use super::bundle::{is_python, python};
use super::fatal::Fatal;
use super::s3;
use job::spec::Function;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use types::location::Kind;

/// Bytes of a module that comes from S3.
const MAX_MODULE: u64 = 1 << 30;

/// The bytes of the job's function, if they have the sha256 that the job wants.
pub fn read(function: &Function) -> Result<Vec<u8>, Fatal> {
    let path = &function.module;
    let bytes = match path.kind() {
        Kind::Url { scheme: "s3" } => s3::read(path, MAX_MODULE)?,
        Kind::Url { .. } => {
            return Err(Fatal::usage(format!("function.module: {path} is not a local file, which tilefn run needs")));
        }
        _ if is_python(Path::new(path.as_str())) => {
            let include: Vec<_> = function.include.iter().map(|path| PathBuf::from(path.as_str())).collect();
            python(Path::new(path.as_str()), &include)
                .map_err(|(key, text)| Fatal::usage(format!("function.{key}: {text}")))?
        }
        _ => fs::read(path.as_str()).map_err(|e| {
            let build = if e.kind() == ErrorKind::NotFound { "; is it built? tilefn build makes it" } else { "" };
            Fatal::usage(format!("function.module: can't read {path}: {e}{build}"))
        })?,
    };
    if !function.include.is_empty() && !is_python(Path::new(path.as_str())) {
        return Err(Fatal::usage(format!(
            "function.include: only a Python function can read files; {path} is a module, which gets all it needs as \
             inputs and parameters"
        )));
    }
    checked(function, bytes)
}

/// The function's bytes, if they have the sha256 that the job wants.
fn checked(function: &Function, bytes: Vec<u8>) -> Result<Vec<u8>, Fatal> {
    let path = &function.module;
    if let Some(wanted) = &function.sha256 {
        let found = hex::encode(Sha256::digest(&bytes));
        if !wanted.eq_ignore_ascii_case(&found) {
            return Err(Fatal::usage(format!(
                "function.sha256: {path} has sha256 {found}, the job file wants {wanted}"
            )));
        }
    }
    Ok(bytes)
}
