//! The metadata services of ECS and EC2: what AWS says to a program about the task or instance that it runs in.

use serde_json::Value;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// The longest wait for a connection, and for each part of an answer: the services are on the machine itself.
const LIMIT: Duration = Duration::from_secs(2);
/// Bytes of an answer.
const MOST: u64 = 1 << 20;

/// The ECS task that this program runs in, as its metadata service (version 4) describes it; none elsewhere.
pub fn ecs_task() -> Option<Value> {
    let uri = std::env::var("ECS_CONTAINER_METADATA_URI_V4").ok()?;
    serde_json::from_str(ask("GET", &format!("{uri}/task"), "")?.trim()).ok()
}

/// The ARN of that task.
pub fn task_arn() -> Option<String> {
    ecs_task()?.get("TaskARN")?.as_str().map(str::to_owned)
}

/// The body of a good answer. `headers` are whole lines.
pub fn ask(method: &str, url: &str, headers: &str) -> Option<String> {
    let (host, path) = url.strip_prefix("http://")?.split_once('/')?;
    let address = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let mut stream = TcpStream::connect_timeout(&address.to_socket_addrs().ok()?.next()?, LIMIT).ok()?;
    stream.set_read_timeout(Some(LIMIT)).ok()?;
    let request = format!("{method} /{path} HTTP/1.0\r\nHost: {host}\r\nContent-Length: 0\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.take(MOST).read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?;
    (status == "200").then(|| body.to_owned())
}
