//! The little of HTTP that a read-only page needs: one GET for each connection, with bounded size.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest request, bytes, and most headers; a browser's with cookies of other services on the same host fits.
const MAX_REQUEST: usize = 8 << 10;
const MAX_HEADERS: usize = 64;
/// How many bytes a client may go on sending after its request.
const MAX_REST: u64 = 64 << 10;

/// Headers of every answer. The page may load its own script, style and status, and nothing else.
const HEADERS: &str = "\
Connection: close\r\n\
Cache-Control: no-store\r\n\
Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'\r\n\
Cross-Origin-Resource-Policy: same-origin\r\n\
Referrer-Policy: no-referrer\r\n\
X-Content-Type-Options: nosniff\r\n";

/// What a client asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// The path, without query.
    pub path: String,
    /// The host that the client thinks it talks to, with port.
    pub host: String,
}

/// An answer's content.
#[derive(Debug)]
enum Body {
    Fixed(&'static str),
    Text(String),
    Bytes(Arc<[u8]>),
}

impl Body {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Fixed(text) => text.as_bytes(),
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    status: &'static str,
    content_type: &'static str,
    body: Body,
}

impl Reply {
    /// A part of the page.
    pub fn page(content_type: &'static str, text: &'static str) -> Self {
        Self { status: "200 OK", content_type, body: Body::Fixed(text) }
    }

    /// A text that was made just now.
    pub fn text(content_type: &'static str, text: String) -> Self {
        Self { status: "200 OK", content_type, body: Body::Text(text) }
    }

    /// A file that is no text.
    pub fn bytes(content_type: &'static str, bytes: Arc<[u8]>) -> Self {
        Self { status: "200 OK", content_type, body: Body::Bytes(bytes) }
    }

    /// Why there is nothing.
    pub fn error(status: &'static str, why: &str) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: Body::Text(format!("{why}\n")) }
    }
}

/// Reads one request, answers it and closes the connection.
pub async fn serve(mut stream: TcpStream, answer: impl FnOnce(&Request) -> Reply) -> io::Result<()> {
    let mut buffer = Vec::new();
    let reply = loop {
        match parse(&buffer) {
            Ok(Some(request)) => break answer(&request),
            Err(reply) => break reply,
            Ok(None) => {}
        }
        let room = (MAX_REQUEST - buffer.len()) as u64;
        if (&mut stream).take(room).read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    };
    let Reply { status, content_type, body } = reply;
    let allow = if status.starts_with("405") { "Allow: GET\r\n" } else { "" };
    let body = body.bytes();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n{allow}{HEADERS}\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    stream.shutdown().await?;
    // Closing a socket with unread bytes resets the connection, and the client would lose the answer.
    tokio::io::copy(&mut stream.take(MAX_REST), &mut tokio::io::sink()).await?;
    Ok(())
}

/// The request in these bytes; `None` if it isn't complete yet; the answer to a bad one as the error.
fn parse(bytes: &[u8]) -> Result<Option<Request>, Reply> {
    let bad = |why| Err(Reply::error("400 Bad Request", why));
    let too_large = || Reply::error("431 Request Header Fields Too Large", "the request is too long");
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) if bytes.len() < MAX_REQUEST => return Ok(None),
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => return Err(too_large()),
        Err(_) => return bad("this is no HTTP request"),
    }
    if request.method != Some("GET") {
        return Err(Reply::error("405 Method Not Allowed", "the dashboard can only be read, with GET"));
    }
    let Some(path) = request.path.filter(|p| p.starts_with('/')) else { return bad("the request has no path") };
    let mut hosts = request.headers.iter().filter(|h| h.name.eq_ignore_ascii_case("host"));
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return bad("the request needs one Host header") };
    let Ok(host) = std::str::from_utf8(host.value) else { return bad("the Host header is no text") };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    Ok(Some(Request { path: path.to_owned(), host: host.to_owned() }))
}

/// Whether `host`, of a request, is an address, `localhost`, or the name given by the user.
pub fn is_here(host: &str, name: &str) -> bool {
    let host = match host.strip_prefix('[').and_then(|h| h.split_once(']')) {
        Some((v6, _)) => v6,
        None => host.rsplit_once(':').map_or(host, |(host, _)| host),
    };
    host.parse::<IpAddr>().is_ok() || host.eq_ignore_ascii_case("localhost") || host.eq_ignore_ascii_case(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn status(text: &[u8]) -> Option<&'static str> {
        parse(text).err().map(|r| r.status)
    }

    #[test]
    fn a_request_is_read_as_soon_as_it_is_complete() {
        let text = b"GET /status.json?x=1 HTTP/1.1\r\nhost: localhost:80\r\n\r\n";
        for end in 0..text.len() {
            assert_eq!(parse(&text[..end]).unwrap(), None);
        }
        let request = Request { path: "/status.json".into(), host: "localhost:80".into() };
        assert_eq!(parse(text).unwrap(), Some(request));
    }

    #[test]
    fn wrong_requests_are_told_so() {
        assert_eq!(status(b"\x16\x03\x01\x02\x00"), Some("400 Bad Request"), "TLS");
        assert_eq!(status(b"GET / HTTP/1.1\r\n\r\n"), Some("400 Bad Request"), "no host");
        assert_eq!(status(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), Some("400 Bad Request"));
        assert_eq!(status(b"GET http://evil/ HTTP/1.1\r\nHost: a\r\n\r\n"), Some("400 Bad Request"));
        assert_eq!(status(b"POST / HTTP/1.1\r\nHost: a\r\n\r\n"), Some("405 Method Not Allowed"));
        let long = [b"GET /".as_slice(), &vec![b'a'; MAX_REQUEST]].concat();
        assert_eq!(status(&long[..MAX_REQUEST]), Some("431 Request Header Fields Too Large"));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(MAX_HEADERS + 1));
        assert_eq!(status(many.as_bytes()), Some("431 Request Header Fields Too Large"));
    }

    #[test]
    fn only_addresses_and_our_own_names_are_here() {
        for host in
            ["127.0.0.1:8080", "127.0.0.1", "[::1]:8080", "[::1]", "localhost", "LocalHost:1", "10.1.2.3:80", "box:80"]
        {
            assert!(is_here(host, "box"), "{host}");
        }
        for host in
            ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "", ":80", "[evil]", "localhost.evil:1"]
        {
            assert!(!is_here(host, "box"), "{host}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _any = parse(&bytes);
        }
    }
}
