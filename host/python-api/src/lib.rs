//! The compiled part of Python's package `tilefn`: `tilefn._tilefn`. It takes and gives bytes, numbers and JSON; what people see of it
//! is Python, in `guest-sdk/python/tilefn/_host`.

mod arrays;
mod events;
mod functions;
mod jobs;
mod stopped;

use pyo3::prelude::*;

#[pymodule]
fn _tilefn(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<functions::Module>()?;
    module.add_class::<functions::Function>()?;
    module.add_function(wrap_pyfunction!(functions::compile_expression, module)?)?;
    module.add_function(wrap_pyfunction!(jobs::run, module)?)?;
    module.add_function(wrap_pyfunction!(jobs::set_program, module)?)
}
