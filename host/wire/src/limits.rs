//! The bounds of everything that crosses the wire, in one place, each with its reason.
use std::time::Duration;

/// Limit for the header of a message without rasters, bytes. The largest is a failure with its text and a full log; a test
/// checks that it fits.
pub const PLAIN_HEADER: u32 = 64 << 10;
/// Limit for a raster in a header, bytes; a test checks that it fits.
const HEADER_OF_RASTER: u32 = 32;
/// Bytes of any message's header. Task, module and pixels travel as payload, so the largest header is a message with
/// [`MAX_RASTERS`] rasters. A receiver takes what its job needs ([`PayloadLimits::header`]).
pub const MAX_HEADER: u32 = PLAIN_HEADER + HEADER_OF_RASTER * MAX_RASTERS;
/// Bytes of the first header, from a peer that has not shown the secret: a `Hello` with all its names at full length.
pub const MAX_HELLO: u32 = 2 << 10;
/// Bytes of a host, worker or ECS task name: DNS names end at 253, task ARNs at about 180.
pub const MAX_NAME: usize = 256;
/// Bytes of a text for the user: a panic message with its backtrace.
pub const MAX_TEXT: usize = 16 << 10;
/// Lines of a tile's log.
pub const MAX_LOG_LINES: usize = 256;
/// Bytes of a tile's log lines together.
pub const MAX_LOG_BYTES: usize = 16 << 10;
/// Rasters in one payload. The planner refuses longer lists; those in use have some thousands of files.
pub const MAX_RASTERS: u32 = 1 << 18;
/// Kinds of changed pixels that a result counts: five of each input and output, of which there are few.
pub const MAX_COUNTS: usize = 512;
/// Bands of a raster: GDAL's own limit.
pub const MAX_BANDS: usize = 65_536;
/// Tiles given back in one message; a worker holds only a few.
pub const MAX_LEASES: usize = 1024;
/// Rasters start at multiples of this in a payload, as the guest ABI wants them.
pub const ALIGN: u64 = 16;

/// Opening a TCP connection: two lost packets and their retransmissions (1 s, then 2 s) fit.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// TLS and greeting together: three round trips, even between continents and with one lost packet, on a busy machine.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Unfinished handshakes held at a time. Each costs a socket and some 20 KiB; a fleet that starts at once fits.
pub const MAX_HALF_OPEN: usize = 256;
/// When all are taken, the oldest is dropped once it is older than this: an honest worker needs far less.
pub const CROWDED_HANDSHAKE: Duration = Duration::from_secs(1);

/// How long a peer may send nothing before it is given up: two and a half heartbeats. One may be lost and the next
/// be late, and still the tiles of a worker that died are handed out again within three.
pub fn silence(heartbeat: Duration) -> Duration {
    heartbeat.saturating_mul(5) / 2
}

/// Limits of a receiver: payload by kind, in bytes, and number of rasters. They come from the plan, which knows what a tile can need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PayloadLimits {
    /// The task description.
    pub task: u64,
    pub module: u64,
    /// A tile's input rasters.
    pub tile: u64,
    /// A tile's output rasters and state.
    pub result: u64,
    /// Number of rasters in one message.
    pub rasters: u32,
}

impl PayloadLimits {
    /// Bytes of a message's header that fit these limits.
    pub fn header(&self) -> u32 {
        PLAIN_HEADER + HEADER_OF_RASTER * self.rasters.min(MAX_RASTERS)
    }
}

/// `text` cut to at most `max` bytes, at a character's boundary.
pub fn clip(text: &str, max: usize) -> String {
    text.get(..text.floor_char_boundary(max)).unwrap_or_default().to_owned()
}
