//! A service like S3, as far as GDAL's `/vsis3/` needs one, that refuses or delays what tests want it to.

use super::Folder;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What becomes of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Accept,
    /// With this status and S3's code for it.
    Refuse(u16, &'static str),
    /// Not until tests want something else.
    Wait,
}

#[derive(Debug)]
struct State {
    objects: BTreeMap<String, Vec<u8>>,
    /// Keys of all uploads that have begun, but for those that only try.
    uploads: Vec<String>,
    /// Keys of the uploads that only try and have not been aborted.
    attempts: Vec<String>,
    /// The end of a key, and what becomes of its upload.
    rules: Vec<(String, Answer)>,
}

impl State {
    /// What becomes of an upload to this key. A rule for outputs says nothing of uploads that only try.
    fn rule(&self, key: &str) -> Answer {
        let rule = self.rules.iter().find(|(end, _)| key.ends_with(end) && tries(end) == tries(key));
        rule.map_or(Answer::Accept, |(_, answer)| *answer)
    }
}

/// The service, which ends with the test's process.
#[derive(Clone)]
pub struct S3 {
    endpoint: String,
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl S3 {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = listener.local_addr().unwrap().to_string();
        let state = State { objects: BTreeMap::new(), uploads: Vec::new(), attempts: Vec::new(), rules: Vec::new() };
        let s3 = Self { endpoint, shared: Arc::new((Mutex::new(state), Condvar::new())) };
        let served = s3.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let s3 = served.clone();
                // A client that was killed has ended the connection.
                std::thread::spawn(move || s3.serve(&stream.unwrap()).unwrap_or_default());
            }
        });
        s3
    }

    /// The program, which takes this for S3.
    pub fn command(&self, f: &Folder) -> Command {
        let mut command = f.command();
        command.env("AWS_S3_ENDPOINT", &self.endpoint).env("AWS_HTTPS", "NO").env("AWS_VIRTUAL_HOSTING", "FALSE");
        command.env("AWS_ACCESS_KEY_ID", "id").env("AWS_SECRET_ACCESS_KEY", "secret").env("GDAL_HTTP_MAX_RETRY", "0");
        command.env("TMPDIR", f.path());
        command
    }

    /// Says what becomes of uploads to keys that end so.
    pub fn rule(&self, end: &str, answer: Answer) {
        let mut state = self.state();
        state.rules.retain(|(e, _)| e != end);
        state.rules.push((end.into(), answer));
        self.shared.1.notify_all();
    }

    /// Keys of all uploads so far.
    pub fn uploads(&self) -> Vec<String> {
        self.state().uploads.clone()
    }

    /// Keys of uploads that only tried whether there can be one, and were left.
    pub fn left(&self) -> Vec<String> {
        self.state().attempts.clone()
    }

    /// Writes the objects to files of the folder, by the last part of their keys; returns their keys.
    pub fn save(&self, f: &Folder) -> Vec<String> {
        let state = self.state();
        for (key, bytes) in &state.objects {
            std::fs::write(f.path().join(key.rsplit('/').next().unwrap()), bytes).unwrap();
        }
        state.objects.keys().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, stream: &TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let (mut length, mut expects) = (0, false);
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let Some((name, value)) = header.split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap();
            }
            expects |= name.eq_ignore_ascii_case("expect");
        }
        let mut writer = stream;
        if expects {
            writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let mut words = line.split_whitespace();
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (status, body) = self.answer(method, path.trim_start_matches('/'), query, body);
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\nETag: \"e\"\r\nLast-Modified: Mon, 05 Jan 2026 00:00:00 GMT\r\n\r\n",
            body.len()
        );
        writer.write_all(head.as_bytes())?;
        if method != "HEAD" {
            writer.write_all(&body)?;
        }
        Ok(())
    }

    fn answer(&self, method: &str, key: &str, query: &str, body: Vec<u8>) -> (u16, Vec<u8>) {
        let mut state = self.state();
        match method {
            "PUT" => {
                if !tries(key) {
                    state.uploads.push(key.to_owned());
                }
                loop {
                    match state.rule(key) {
                        Answer::Accept => break,
                        Answer::Refuse(status, code) => return (status, refusal(code)),
                        Answer::Wait => {
                            state = self.shared.1.wait(state).unwrap_or_else(PoisonError::into_inner);
                        }
                    }
                }
                if query.is_empty() {
                    state.objects.insert(key.to_owned(), body);
                }
                (200, Vec::new())
            }
            // Only the program's attempts are uploads of several parts, as the tests' outputs are small.
            "POST" if tries(key) && query == "uploads" => {
                if let Answer::Refuse(status, code) = state.rule(key) {
                    return (status, refusal(code));
                }
                state.attempts.push(key.to_owned());
                let id = "<UploadId>u</UploadId>";
                (200, format!("<InitiateMultipartUploadResult>{id}</InitiateMultipartUploadResult>").into())
            }
            "DELETE" if query == "uploadId=u" => {
                state.attempts.retain(|attempt| attempt != key);
                (204, Vec::new())
            }
            // Who may write outputs needn't be allowed to delete objects.
            "DELETE" | "POST" => (403, refusal("AccessDenied")),
            _ if query.contains("prefix=") || query.contains("delimiter=") => {
                let wanted = query.split('&').find_map(|part| part.strip_prefix("prefix=")).unwrap_or_default();
                let wanted = wanted.replace("%2F", "/");
                let mut list = String::from("<ListBucketResult>");
                for (name, object) in &state.objects {
                    let Some(name) = name.strip_prefix(key.trim_end_matches('/')).map(|n| n.trim_start_matches('/'))
                    else {
                        continue;
                    };
                    if name.starts_with(&wanted) {
                        let (size, when) = (object.len(), "2026-01-05T00:00:00.000Z");
                        list += &format!(
                            "<Contents><Key>{name}</Key><LastModified>{when}</LastModified><ETag>e</ETag><Size>{size}</Size></Contents>"
                        );
                    }
                }
                (200, (list + "</ListBucketResult>").into())
            }
            _ => match state.objects.get(key) {
                Some(object) => (200, object.clone()),
                None => (404, refusal("NoSuchKey")),
            },
        }
    }
}

fn refusal(code: &str) -> Vec<u8> {
    format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>").into()
}

/// Whether an upload to this key only tries whether there can be one.
fn tries(key: &str) -> bool {
    key.contains(".tilefn-probe-")
}
