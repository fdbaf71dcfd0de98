//! Failures in words, without the machinery of `format!`.

use tilefn_abi::Report;

#[link(wasm_import_module = "tilefn")]
unsafe extern "C" {
    #[link_name = "report"]
    safe fn host_report(kind: u32, text: *const u8, len: usize);
}

/// Longest text, bytes: names have 64.
const LONGEST: usize = 512;

/// A failure that the host has been told.
pub struct Failed;

/// A text that grows.
pub struct Text {
    bytes: [u8; LONGEST],
    len: usize,
}

impl Text {
    pub fn new(text: &str) -> Self {
        Self { bytes: [0; LONGEST], len: 0 }.text(text)
    }

    pub fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        for byte in bytes {
            if let Some(place) = self.bytes.get_mut(self.len) {
                *place = *byte;
                self.len += 1;
            }
        }
        self
    }

    pub fn number(self, number: u32) -> Self {
        let mut digits = [0; 10];
        let mut start = digits.len();
        let mut rest = number;
        loop {
            start -= 1;
            if let Some(digit) = digits.get_mut(start) {
                *digit = b'0' + (rest % 10) as u8;
            }
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.bytes(digits.get(start..).unwrap_or_default())
    }

    /// Tells the host why the function failed.
    pub fn fail(self) -> Failed {
        host_report(Report::Error as u32, self.bytes.as_ptr(), self.len);
        Failed
    }
}
