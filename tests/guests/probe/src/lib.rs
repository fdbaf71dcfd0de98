//! Functions for the end-to-end tests: each shows one thing that a job or a host can get wrong.

mod fail;
mod generate;
mod labour;
mod pixels;
mod place;
mod sums;
