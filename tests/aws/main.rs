//! The AWS part against a strict simulator of ECS, EC2 and S3 in this process, through the real SDK.

// For clippy: helpers outside `#[test]` functions are tests too.
#![cfg(test)]

mod account_script;
mod credentials;
mod detached;
mod documented;
mod ec2;
mod fargate;
mod inventory;
#[path = "../remote/labour.rs"]
#[expect(dead_code, reason = "the tests of remote runs need more of it")]
mod labour;
mod moto;
mod policy;
mod program;
#[path = "../remote/running.rs"]
mod running;
mod s3;
mod sim;
mod stage;
#[path = "../e2e/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the end-to-end tests need more of it")]
mod support;
mod unheard;
