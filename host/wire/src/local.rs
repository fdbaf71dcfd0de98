//! The connection of a worker process with the controller that starts it: a pair of sockets that nobody else can reach.
//!
//! The process is handed one end when it starts. Possession of the socket authenticates the peer and the bytes never leave the kernel,
//! so no secret, no ticket and no TLS are needed. All else is as on a network.
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net;
use std::process::Stdio;

use tokio::net::UnixStream;

use super::handshake::{Joined, Joining, begin, greet_as};
use super::message::About;
use super::{Error, PayloadLimits, Pool, Secret};

/// One end of such a connection.
#[derive(Debug)]
pub struct Socket(net::UnixStream);

impl Socket {
    /// A new connection: the controller's end, and the one to start a process with.
    ///
    /// # Errors
    /// The system's; mostly that too many files are open.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (ours, theirs) = net::UnixStream::pair()?;
        Ok((Self(ours), Self(theirs)))
    }

    /// The end that this process was started with, by another program.
    ///
    /// # Errors
    /// When it is something else.
    pub fn inherited(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let socket = net::UnixStream::from(fd.try_clone_to_owned()?);
        // This fails unless `fd` is a Unix socket.
        socket.peer_addr()?;
        Ok(Self(socket))
    }

    /// The controller's part: waits for the worker's greeting.
    ///
    /// # Errors
    /// Why the worker can't be let in.
    pub async fn greet(self, pool: Pool) -> Result<Joining, Error> {
        greet_as(None, self.stream()?, &Secret::NONE, pool).await
    }

    /// The worker's part: greets, and waits for as long as the controller plans.
    ///
    /// # Errors
    /// As [`join`](super::join).
    pub async fn join(self, about: About, pool: Pool, limits: PayloadLimits) -> Result<Joined, Error> {
        begin(self.stream()?, Secret::NONE, about, pool, limits, None).await
    }

    fn stream(self) -> io::Result<UnixStream> {
        self.0.set_nonblocking(true)?;
        UnixStream::from_std(self.0)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Makes the socket the standard input of a program to be started.
impl From<Socket> for Stdio {
    fn from(socket: Socket) -> Self {
        OwnedFd::from(socket.0).into()
    }
}
