//! Tests of remote runs: workers in processes of their own, on connections that break, beside peers that lie.

// For clippy: helpers outside `#[test]` functions are tests too.
#![cfg(test)]

#[expect(dead_code, unused_imports, reason = "the end-to-end tests' support; what is not needed here is needed there")]
#[path = "../e2e/support/mod.rs"]
mod support;

mod arm64;
mod chaos;
mod containers;
#[cfg(feature = "aws")]
mod fargate;
mod hostile;
mod labour;
mod namespaces;
mod network;
mod peer;
mod processes;
mod proxy;
mod running;
mod scale;
mod without_gdal;
