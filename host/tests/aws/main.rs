//! The AWS part against a strict simulator of ECS, EC2 and S3 in this process, through the real SDK.

mod ec2;
mod fargate;
mod inventory;
mod moto;
mod s3;
mod sim;
mod stage;
