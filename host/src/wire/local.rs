//! The connection of a worker process with the controller that starts it: a pair of sockets that nobody else can reach.
//!
//! One end is handed to the process as its standard input. Holding it is the proof that a secret is elsewhere, and what
//! passes never leaves the kernel, so there is neither a ticket nor TLS. All else is as on a network.
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net;

use tokio::net::UnixStream;

use super::handshake::{Joined, Joining, begin, greet_as};
use super::message::About;
use super::{PayloadLimits, Pool, Secret, WireError};

/// One end of such a connection.
#[derive(Debug)]
pub struct Socket(net::UnixStream);

impl Socket {
    /// A new connection: the controller's end, and the one to start a process with.
    ///
    /// # Errors
    /// The system's, as a rule that too many files are open.
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = net::UnixStream::pair()?;
        Ok((Self(ours), theirs.into()))
    }

    /// The end that this process was started with.
    ///
    /// # Errors
    /// When it is something else.
    pub fn inherited(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let socket = net::UnixStream::from(fd.try_clone_to_owned()?);
        // Fails for what isn't a socket of this kind.
        socket.peer_addr()?;
        Ok(Self(socket))
    }

    /// The controller's part: waits for the worker's greeting.
    ///
    /// # Errors
    /// Why the worker can't be let in.
    pub async fn greet(self, pool: Pool) -> Result<Joining, WireError> {
        greet_as(None, self.stream()?, &Secret::NONE, pool).await
    }

    /// The worker's part: greets, and waits for as long as the controller needs to know what there is to do.
    ///
    /// # Errors
    /// As [`join`](super::join).
    pub async fn join(self, about: About, pool: Pool, limits: PayloadLimits) -> Result<Joined, WireError> {
        begin(self.stream()?, Secret::NONE, about, pool, limits, None).await
    }

    fn stream(self) -> io::Result<UnixStream> {
        self.0.set_nonblocking(true)?;
        UnixStream::from_std(self.0)
    }
}
