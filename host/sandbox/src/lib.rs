//! Runs a module's functions where they can do no harm.
//!
//! A [`Sandbox`] compiles a [`Module`], whose [`Function`]s run in an [`Instance`] each time, under the [`Limits`]. It
//! knows the guest ABI (crate `tilefn-abi`) but not what tiles or jobs are. Whatever a module returns is checked here
//! against its memory and the limits; the caller checks whether it suits the job.
//!
//! ```text
//! Sandbox::new → compile(wasm) → function(name) → instance_for(lens) → bytes_mut … process(call) → bytes
//! ```
//!
//! All calls block; run them on threads with [`Limits::thread_stack`] bytes of stack.

mod backtrace;
mod bounds;
mod bundle;
mod cache;
mod debug_info;
mod description;
mod engine;
mod error;
mod function;
mod guest_range;
mod host;
mod instance;
mod kinds;
mod limits;
mod log;
mod module;
mod outcome;
mod own_folder;
mod parts;
pub mod python;
mod running;
mod text;
mod value;
mod wasi;

pub use backtrace::{Frame, GuestBacktrace};
pub use bundle::{BundleFile, pack};
pub use cache::user_cache_dir;
pub use description::{Description, Halo, InputInfo, OutputInfo, ParamInfo};
pub use engine::{Interrupt, Sandbox};
pub use error::{Error, Result};
pub use function::{Function, Reduced};
pub use guest_range::GuestRange;
pub use instance::Instance;
pub use limits::Limits;

pub use module::Module;
pub use outcome::{OutRaster, Outcome};
pub use running::Stats;
pub use types::LogLine;
