//! `[workers]` and `[workers.s3]`.

use super::{Field, Reader, Section, ecs};
use crate::spec::{S3, WorkerKind, Workers};
use crate::tree::Data;
use crate::units::Time;

/// The section with all its parts.
pub fn workers(r: &mut Reader<'_>, field: &Field<'_>) -> Option<Workers> {
    let mut s = Section::of(r, field)?;
    let default = Workers::default();
    let kind = s.read(r, "kind", Reader::name).unwrap_or(default.kind);
    let count = s.read(r, "count", |r, f| r.integer(f, "a number of workers", 1..=10_000));
    let min_count = s.read(r, "min_count", |r, f| r.integer(f, "a number of workers", 1..=10_000));
    if let (Some(count), Some(min_count)) = (count, min_count)
        && min_count > count
        && let Some(f) = s.get("min_count")
    {
        r.wrong(&f, format!("{min_count} is more than `count`, {count}"));
    }
    let threads = s.read(r, "threads", |r, f| r.integer(f, "a number of threads", 1..=1_024));
    let reads = s.read(r, "reads", Reader::name);
    let max_attempts = s.read(r, "max_attempts", |r, f| r.integer(f, "a number of attempts", 1..=100));
    let start_timeout = s.read(r, "start_timeout", |r, f| r.time(f, Time::seconds(1)..=Time::seconds(86_400)));
    let heartbeat = s.read(r, "heartbeat", |r, f| r.time(f, Time::millis(100)..=Time::seconds(60)));
    let listen =
        s.read(r, "listen", |r, f| r.text_like(f, "an address and port such as \"0.0.0.0:7400\"", is_host_port));
    let advertise = s.read(r, "advertise", |r, f| {
        r.text_like(f, "an address such as \"10.0.1.17\" or \"10.0.1.17:7400\"", |text| {
            is_host_port(text) || is_host(text)
        })
    });
    let ticket = s.read(r, "ticket", Reader::path);
    let s3 = s.read(r, "s3", s3);
    let fargate = s.read(r, "fargate", ecs::fargate);
    let ec2 = s.read(r, "ec2", ecs::ec2);
    if let WorkerKind::Fargate | WorkerKind::Ec2 = kind {
        let needed = [
            ("count", "count = 10"),
            ("s3", "[workers.s3]\n        bucket = \"my-bucket\""),
            (kind.name(), "see docs/aws"),
        ];
        for (key, example) in needed {
            if !s.has(key) {
                s.missing(r, key, example);
            }
        }
    }
    s.finish(r);
    Some(Workers {
        kind,
        count,
        min_count: min_count.unwrap_or(default.min_count),
        threads,
        reads: reads.unwrap_or(default.reads),
        max_attempts: max_attempts.unwrap_or(default.max_attempts),
        start_timeout: start_timeout.unwrap_or(default.start_timeout),
        heartbeat: heartbeat.unwrap_or(default.heartbeat),
        listen,
        advertise,
        ticket,
        s3,
        fargate,
        ec2,
    })
}

/// `host:port`, `1.2.3.4:port` or `[::1]:port`.
fn is_host_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| port.parse::<u16>().is_ok() && is_host(host))
}

fn is_host(text: &str) -> bool {
    if let Some(v6) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        return v6.parse::<std::net::Ipv6Addr>().is_ok();
    }
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-')
}

fn s3(r: &mut Reader<'_>, field: &Field<'_>) -> Option<S3> {
    let mut s = Section::of(r, field)?;
    let bucket = s.need(r, "bucket", "bucket = \"my-bucket\"", |r, f| {
        r.text_like(f, "a bucket's name (3 to 63 lower-case letters, digits, dots and hyphens)", |text| {
            let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-';
            let outer = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
            (3..=63).contains(&text.len())
                && text.chars().all(inner)
                && outer(text.chars().next())
                && outer(text.chars().last())
        })
    });
    let prefix = s.read(r, "prefix", |r, f| {
        let value = match &f.node.data {
            Data::Text(text) if !text.starts_with('/') => Some(text.clone()),
            _ => None,
        };
        r.want(f, "what keys start with, such as \"tilefn/\" (no \"/\" in front)", value)
    });
    let region = s.read(r, "region", Reader::text);
    let endpoint = s.read(r, "endpoint", |r, f| {
        r.text_like(f, "a URL such as \"https://minio.example.org\"", |text| {
            ["http://", "https://"].iter().any(|scheme| text.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
        })
    });
    s.finish(r);
    Some(S3 { bucket: bucket?, prefix: prefix.unwrap_or_else(|| "tilefn/".to_owned()), region, endpoint })
}
