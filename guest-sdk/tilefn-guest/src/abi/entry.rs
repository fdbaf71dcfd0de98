//! The bodies of a function's exports, and the exports that every module has.

use alloc::{string::String, vec::Vec};

use tilefn_abi::Report;

use super::{Call, TileResult, memory::host_slice, outcome::address, report};
use crate::{Error, Reduce, describe::Description, reduce};

/// The marker that says which ABI the module speaks; its name is all that counts.
#[expect(unsafe_code, reason = "an export needs a fixed name")]
#[unsafe(no_mangle)]
extern "C" fn tilefn_abi_v1() {}

/// `describe:NAME`.
pub fn describe(description: &Description) -> u64 {
    report::install_panic_hook();
    let json = serde_json::to_string(description).unwrap_or_else(|e| {
        report::report(Report::Error, &alloc::format!("the description can't be written as JSON: {e}"));
        String::new()
    });
    let json = json.leak();
    (u64::from(address(json.as_ptr())) << 32) | json.len() as u64
}

/// `process:NAME`: `run` reads the arguments and calls the function.
pub fn process(call: u32, run: fn(&Call) -> Result<TileResult, Error>) -> u32 {
    answer(|| {
        let call = Call::at(call)?;
        call.check(run(&call)?)
    })
}

/// `merge:NAME`.
pub fn merge<R: Reduce>(a: u32, a_len: u32, b: u32, b_len: u32) -> u32 {
    answer(|| state(reduce::merge::<R>(bytes(a, a_len)?, bytes(b, b_len)?)?))
}

/// `finish:NAME`.
pub fn finish<R: Reduce>(address: u32, len: u32) -> u32 {
    answer(|| state(reduce::finish::<R>(bytes(address, len)?)?.into_bytes()))
}

/// The address of the outcome, or 0 after the error was reported.
fn answer(run: impl FnOnce() -> Result<TileResult, Error>) -> u32 {
    report::install_panic_hook();
    match run() {
        Ok(result) => result.leak(),
        Err(error) => {
            report::report(Report::Error, error.message());
            0
        }
    }
}

fn bytes(address: u32, len: u32) -> Result<&'static [u8], Error> {
    host_slice(address, len as usize).ok_or_else(|| "there is no state".into())
}

fn state(state: Vec<u8>) -> Result<TileResult, Error> {
    Ok(TileResult { outputs: Vec::new(), state })
}
