//! A client that sends exactly what it is told to.

use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long a job may take to get where it is waited for, on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Answer {
    /// Status line and headers.
    pub head: String,
    pub body: String,
}

/// Sends a request and reads to the end of the connection.
#[track_caller]
pub fn send(address: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    // A request that is refused for its size need not be read to its end.
    let _refused = stream.write_all(request);
    let mut text = String::new();
    // The same may reset the connection after the answer.
    let _reset = stream.read_to_string(&mut text);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    Answer { head: format!("{head}\r\n"), body: body.to_owned() }
}

/// The body of an answer that is no text.
#[track_caller]
pub fn bytes(address: SocketAddr, path: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|part| part == b"\r\n\r\n").unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&answer[..end]));
    answer.split_off(end + 4)
}

#[track_caller]
pub fn get(address: SocketAddr, path: &str) -> Answer {
    send(address, format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes())
}

#[track_caller]
pub fn status(address: SocketAddr) -> Value {
    serde_json::from_str(&get(address, "/status.json").body).unwrap()
}

/// The first status that is as wanted.
#[track_caller]
pub fn until(address: SocketAddr, wanted: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let status = status(address);
        if wanted(&status) {
            return status;
        }
        assert!(begun.elapsed() < PATIENCE, "still {status}");
    }
}
