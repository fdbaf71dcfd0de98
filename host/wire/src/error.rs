//! Why a connection, a handshake or a ticket failed, and which failures may pass by themselves.
use std::io;
use std::time::Duration;

/// A failure of the wire; after one, the connection it came from is of no further use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The peer closed the connection between two messages.
    #[error("the connection was closed by the other side")]
    Closed,
    /// The connection ended in the middle of a message.
    #[error("the connection broke off in the middle of a message")]
    Truncated,
    /// The operating system or TLS reported an error.
    #[error("connection error: {0}")]
    Io(#[from] io::Error),
    /// Not one byte came for this long, although heartbeats were due.
    #[error("nothing was heard from the other side for {0:?}")]
    Silent(Duration),
    /// The peer took not one byte for this long of what it was sent.
    #[error("the other side has taken nothing of what it was sent for {0:?}")]
    Stalled(Duration),
    /// A step of connecting took longer than its time limit.
    #[error("{what} took longer than {limit:?}")]
    Slow {
        /// The step.
        what: &'static str,
        limit: Duration,
    },
    /// The first bytes are not tilefn's.
    #[error("the other side does not speak tilefn's protocol")]
    NotTilefn,
    /// Frames are of another format.
    #[error(
        "the other side uses frame format {theirs}, this tilefn uses {ours}: run the same tilefn version on both sides"
    )]
    FrameFormat {
        /// The peer's format number.
        theirs: u8,
        /// This program's.
        ours: u8,
    },
    /// A length is over its limit.
    #[error("{what} of {bytes} bytes exceeds the limit of {limit} bytes")]
    TooLarge {
        /// What has that length.
        what: &'static str,
        /// Bytes announced or given.
        bytes: u64,
        limit: u64,
    },
    /// A message that cannot be decoded or breaks one of its bounds.
    #[error("malformed message: {0}")]
    Malformed(String),
    /// A message that has no place at this point.
    #[error("unexpected message: {got} instead of {wanted}")]
    Unexpected {
        /// The message's name.
        got: &'static str,
        /// What was due.
        wanted: &'static str,
    },
    /// The secret is not this job's.
    #[error("the secret is wrong")]
    WrongSecret,
    /// The controller closed the connection instead of answering the greeting.
    #[error(
        "the controller closed the connection without an answer: the ticket is another job's, or the two tilefn versions are too different"
    )]
    NoAnswer,
    /// The certificate is not the one that the ticket names.
    #[error(
        "the server's certificate is not the one in the ticket: the ticket is of another job, or something else listens there"
    )]
    WrongCertificate,
    /// The two programs share no protocol version.
    #[error("{0}")]
    Version(String),
    /// The controller refused this worker and said why.
    #[error("the controller refused this worker: {0}")]
    Refused(String),
    /// No address of the ticket could be used.
    #[error("no controller could be reached: {0}")]
    Unreachable(String),
    /// The ticket cannot be used.
    #[error("ticket {place}: {problem}")]
    Ticket {
        /// Where it was read from.
        place: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The job's certificate could not be made.
    #[error("cannot make the job's certificate: {0}")]
    Certificate(String),
    /// An earlier send was dropped half-way, so that the stream is out of step.
    #[error("an earlier message was not sent to its end")]
    HalfSent,
}

impl Error {
    /// Whether connecting again may help: true for what the network does, false for what the two sides disagree on.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Closed
            | Self::Truncated
            | Self::Io(_)
            | Self::Silent(_)
            | Self::Stalled(_)
            | Self::Slow { .. }
            | Self::Unreachable(_)
            // A crowded controller drops handshakes too.
            | Self::NoAnswer
            | Self::HalfSent => true,
            Self::NotTilefn
            | Self::FrameFormat { .. }
            | Self::TooLarge { .. }
            | Self::Malformed(_)
            | Self::Unexpected { .. }
            | Self::WrongSecret
            | Self::WrongCertificate
            | Self::Version(_)
            | Self::Refused(_)
            | Self::Ticket { .. }
            | Self::Certificate(_) => false,
        }
    }
}
