//! A module's log: its log lines, stdout and stderr, bounded.

use super::text::sanitise;
use types::LogLine;

/// Charged for each line besides its text, so that empty lines fill the log as well.
const LINE_OVERHEAD: usize = 16;
/// A line's longest text in bytes; output without line ends is broken up.
const LINE_BYTES: usize = 4096;
/// How much of stderr's end goes into an error, in bytes.
const STDERR_TAIL: usize = 1024;

/// Where bytes without structure come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

/// The lines so far, and what may still come.
#[derive(Debug)]
pub(super) struct Log {
    lines: Vec<LogLine>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    stderr_tail: Vec<u8>,
    left: usize,
    limit: usize,
    cut: bool,
}

impl Log {
    /// An empty log that takes `limit` bytes.
    pub fn new(limit: usize) -> Self {
        let (lines, stdout, stderr, stderr_tail) = Default::default();
        Self { lines, stdout, stderr, stderr_tail, left: limit, limit, cut: false }
    }

    /// Adds a text as one line for each of its lines.
    pub fn push(&mut self, warning: bool, text: &[u8]) {
        let text = self.what_fits(text);
        for line in text.strip_suffix(b"\n").unwrap_or(text).split(|b| *b == b'\n') {
            self.push_line(warning, line);
        }
    }

    /// Adds a piece of stdout or stderr, and lines as they become complete.
    pub fn write(&mut self, stream: Stream, bytes: &[u8]) {
        if stream == Stream::Stderr {
            self.stderr_tail
                .extend_from_slice(bytes.get(bytes.len().saturating_sub(STDERR_TAIL)..).unwrap_or_default());
            let surplus = self.stderr_tail.len().saturating_sub(STDERR_TAIL);
            self.stderr_tail.drain(..surplus);
        }
        let mut pending = std::mem::take(self.pending(stream));
        for line in self.what_fits(bytes).split_inclusive(|b| *b == b'\n') {
            for piece in line.chunks(LINE_BYTES) {
                pending.extend_from_slice(piece);
                if piece.ends_with(b"\n") || pending.len() >= LINE_BYTES {
                    self.push_line(false, pending.strip_suffix(b"\n").unwrap_or(&pending));
                    pending.clear();
                }
            }
        }
        *self.pending(stream) = pending;
    }

    /// The end of stderr, for an error's text.
    pub fn stderr_tail(&self) -> Option<String> {
        let text = self.stderr_tail.trim_ascii();
        (!text.is_empty()).then(|| sanitise(text, STDERR_TAIL))
    }

    /// Takes the lines out, unfinished ones too.
    pub fn take(&mut self) -> Vec<LogLine> {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let pending = std::mem::take(self.pending(stream));
            if !pending.is_empty() {
                self.push_line(false, &pending);
            }
        }
        std::mem::take(&mut self.lines)
    }

    /// The start of `bytes`, just enough to fill the log: what a huge text costs is bounded too.
    fn what_fits<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let most = if self.cut { 0 } else { self.left.saturating_add(LINE_BYTES) };
        bytes.get(..most).unwrap_or(bytes)
    }

    fn pending(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    fn push_line(&mut self, warning: bool, line: &[u8]) {
        if self.cut {
            return;
        }
        let size = line.len().saturating_add(LINE_OVERHEAD);
        match self.left.checked_sub(size) {
            Some(left) => {
                self.left = left;
                self.lines.push(LogLine { warning, text: sanitise(line, LINE_BYTES) });
            }
            None => {
                self.left = 0;
                self.cut = true;
                let text = format!("the log is cut here: its limit is {} bytes", self.limit);
                self.lines.push(LogLine { warning: true, text });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(log: &mut Log) -> Vec<String> {
        log.take().into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn streams_become_lines() {
        let mut log = Log::new(1000);
        log.write(Stream::Stdout, b"one\ntw");
        log.write(Stream::Stderr, b"bad\n");
        log.write(Stream::Stdout, b"o\n\nthree");
        assert_eq!(texts(&mut log), ["one", "bad", "two", "", "three"]);
        assert_eq!(log.stderr_tail().as_deref(), Some("bad"));
    }

    #[test]
    fn a_full_log_says_so_once() {
        let mut log = Log::new(50);
        for _ in 0..1000 {
            log.push(false, b"0123456789");
        }
        assert_eq!(texts(&mut log), ["0123456789", "the log is cut here: its limit is 50 bytes"]);
    }

    #[test]
    fn output_without_line_ends_is_bounded() {
        let mut log = Log::new(10_000);
        for _ in 0..100_000 {
            log.write(Stream::Stdout, b"abc");
        }
        let longest = log.take().iter().map(|line| line.text.len()).max();
        assert!(longest < Some(2 * LINE_BYTES), "{longest:?}");
        log.write(Stream::Stderr, &[b'x'; 100_000]);
        assert_eq!(log.stderr_tail().map(|t| t.len()), Some(STDERR_TAIL));
    }
}
