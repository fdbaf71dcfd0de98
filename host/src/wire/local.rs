//! The connection of a worker process with the controller that starts it: a pair of sockets that nobody else can reach.
//!
//! The process is handed one end when it starts. Holding it is the proof that a secret is elsewhere, and what
//! passes never leaves the kernel, so there is neither a ticket nor TLS. A process that is a copy of the controller has memory in common with
//! it, in which pixels can lie, and is called before it's greeted: from then on it may prepare what it knows of the job. All else is as on a network.
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net;
use std::process::Stdio;

use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

use super::handshake::{Joined, Joining, begin, greet_as};
use super::message::About;
use super::shared::Shared;
use super::{PayloadLimits, Pool, Secret, WireError};

/// What a copy of the controller gets before all messages.
const CALL: u8 = b'!';

/// One end of such a connection.
#[derive(Debug)]
pub struct Socket {
    stream: net::UnixStream,
    shared: Option<Shared>,
    /// Whether the call is still to come.
    uncalled: bool,
}

impl Socket {
    /// A new connection: the controller's end, and the one to start a process with.
    ///
    /// # Errors
    /// The system's, as a rule that too many files are open.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (ours, theirs) = net::UnixStream::pair()?;
        let end = |stream| Self { stream, shared: None, uncalled: false };
        Ok((end(ours), end(theirs)))
    }

    /// A new connection with a process that will be a copy of this one, waits for [`call`](Self::call), and has memory in common with
    /// this one, in which `slots` payloads for each direction can lie. Without them if that can't be had.
    ///
    /// # Errors
    /// As [`Self::pair`].
    pub fn pair_sharing(slots: u8) -> io::Result<(Self, Self)> {
        let (mut ours, mut theirs) = Self::pair()?;
        (ours.uncalled, theirs.uncalled) = (true, true);
        match Shared::pair(slots) {
            Ok((here, there)) => (ours.shared, theirs.shared) = (Some(here), Some(there)),
            Err(error) => tracing::debug!("there is no memory to share with a worker: {error}"),
        }
        Ok((ours, theirs))
    }

    /// Later copies of this process will not have the memory.
    ///
    /// # Errors
    /// The system's; there is no known reason.
    pub fn withhold(&self) -> io::Result<()> {
        self.shared.as_ref().map_or(Ok(()), Shared::withhold)
    }

    /// The end that this process was started with, by another program.
    ///
    /// # Errors
    /// When it is something else.
    pub fn inherited(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let socket = net::UnixStream::from(fd.try_clone_to_owned()?);
        // Fails for what isn't a socket of this kind.
        socket.peer_addr()?;
        Ok(Self { stream: socket, shared: None, uncalled: false })
    }

    /// Calls the copy at the other end, if that has not been done.
    ///
    /// # Errors
    /// When it is gone.
    pub fn call(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.uncalled) { self.stream.write_all(&[CALL]) } else { Ok(()) }
    }

    /// The controller's part: waits for the worker's greeting.
    ///
    /// # Errors
    /// Why the worker can't be let in.
    pub async fn greet(mut self, pool: Pool) -> Result<Joining, WireError> {
        self.call()?;
        let (stream, shared) = self.parts()?;
        greet_as(None, stream, &Secret::NONE, pool, shared).await
    }

    /// The worker's part: waits to be called, does what is to be done then, greets, and waits for as long as the controller needs to
    /// know what there is to do.
    ///
    /// # Errors
    /// As [`join`](super::join).
    pub async fn join(
        self,
        about: About,
        pool: Pool,
        limits: PayloadLimits,
        called: impl FnOnce(),
    ) -> Result<Joined, WireError> {
        let uncalled = self.uncalled;
        let (mut stream, shared) = self.parts()?;
        if uncalled {
            stream.read_u8().await.map_err(|_| WireError::NoAnswer)?;
        }
        called();
        begin(stream, Secret::NONE, about, pool, limits, None, shared).await
    }

    fn parts(self) -> io::Result<(UnixStream, Option<Shared>)> {
        self.stream.set_nonblocking(true)?;
        Ok((UnixStream::from_std(self.stream)?, self.shared))
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// For a program to be started with, as its standard input.
impl From<Socket> for Stdio {
    fn from(socket: Socket) -> Self {
        OwnedFd::from(socket.stream).into()
    }
}
