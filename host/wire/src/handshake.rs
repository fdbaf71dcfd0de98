//! How a connection begins, on both sides: greeting, proof, terms.
//!
//! The worker speaks first. Until it has shown the secret the controller sends it nothing, not even a refusal.
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncRead, AsyncWrite, split};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::check::Message;
use super::codec::Compression;
use super::frame::{decode, decode_prefix};
use super::limits::{CONNECT_TIMEOUT, HANDSHAKE_TIMEOUT, MAX_HELLO, MAX_TEXT, PayloadLimits, clip, silence};
use super::message::{About, FromController, FromWorker, Hello, Protocols, Welcome};
use super::{Error, Payload, Pool, Reader, Secret, Ticket, Writer, tls};

/// A worker that has shown the secret and waits for the controller's decision; dropping it closes the connection.
pub struct Joining {
    /// Who it says it is.
    pub about: About,
    /// Its network address; none where there is no network between.
    pub peer: Option<SocketAddr>,
    protocol: u16,
    reader: Reader<FromWorker>,
    writer: Writer<FromController>,
}

/// What a controller grants a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Each side sends something at least this often; two and a half times as long without a byte ends the connection.
    pub heartbeat: Duration,
    /// How payloads are compressed, both ways.
    pub compression: Compression,
}

impl Joining {
    /// Accepts the worker and sends it the task description. From here on results up to `limits` are taken.
    ///
    /// # Errors
    /// The connection's errors.
    pub async fn welcome(
        mut self,
        terms: Terms,
        task: &[u8],
        limits: PayloadLimits,
    ) -> Result<(Reader<FromWorker>, Writer<FromController>), Error> {
        let welcome = Welcome {
            protocol: self.protocol,
            heartbeat_ms: u32::try_from(terms.heartbeat.as_millis()).unwrap_or(u32::MAX),
            compression: terms.compression,
            task_len: task.len() as u64,
        };
        self.writer.send(&FromController::Welcome(welcome), &[task]).await?;
        self.writer.set_compression(terms.compression);
        self.reader.set_limits(limits);
        agree(&mut self.reader, &welcome);
        Ok((self.reader, self.writer))
    }

    /// Turns the worker away and tells it why.
    ///
    /// # Errors
    /// The connection's errors.
    pub async fn refuse(mut self, reason: &str) -> Result<(), Error> {
        self.writer.send(&FromController::Refuse { reason: clip(reason, MAX_TEXT) }, &[]).await?;
        self.writer.close().await
    }
}

/// A connection to the controller that accepted this worker.
pub struct Joined {
    /// Receives from the controller.
    pub reader: Reader<FromController>,
    /// Sends to the controller.
    pub writer: Writer<FromWorker>,
    /// The terms.
    pub welcome: Welcome,
    /// One part: the task description.
    pub task: Payload,
}

/// Connects a worker to the controller of its ticket: tries the addresses in turn until one accepts it.
///
/// # Errors
/// An expired ticket; [`Error::Refused`]; [`Error::Version`]; else what happened at each address.
pub async fn connect(ticket: &Ticket, about: &About, pool: &Pool, limits: PayloadLimits) -> Result<Joined, Error> {
    ticket.check_valid(SystemTime::now())?;
    let mut failures = Vec::new();
    for address in &ticket.addresses {
        match connect_to(address, ticket, about, pool, limits).await {
            Ok(joined) => return Ok(joined),
            Err(e @ (Error::Refused(_) | Error::Version(_))) => return Err(e),
            Err(e) if ticket.addresses.len() == 1 && !matches!(e, Error::Io(_) | Error::Slow { .. }) => {
                return Err(e);
            }
            Err(e) => failures.push(format!("{address}: {e}")),
        }
    }
    Err(Error::Unreachable(failures.join("; ")))
}

async fn connect_to(
    address: &str,
    ticket: &Ticket,
    about: &About,
    pool: &Pool,
    limits: PayloadLimits,
) -> Result<Joined, Error> {
    let tcp = within("connecting", CONNECT_TIMEOUT, async { Ok(TcpStream::connect(address).await?) }).await?;
    tcp.set_nodelay(true)?;
    let stream = within("the TLS handshake", HANDSHAKE_TIMEOUT, tls::connect(tcp, ticket.certificate_sha256)).await?;
    join(stream, ticket.secret.clone(), about.clone(), pool.clone(), limits).await
}

/// The worker's part on a connection that is open and, outside tests, encrypted.
///
/// # Errors
/// [`Error::Refused`], [`Error::NoAnswer`], [`Error::Version`], or the connection's errors.
pub async fn join(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    secret: Secret,
    about: About,
    pool: Pool,
    limits: PayloadLimits,
) -> Result<Joined, Error> {
    begin(stream, secret, about, pool, limits, Some(HANDSHAKE_TIMEOUT)).await
}

/// As [`join`], for a controller that answers within `patience`, if that is given.
pub(super) async fn begin(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    secret: Secret,
    about: About,
    pool: Pool,
    limits: PayloadLimits,
    patience: Option<Duration>,
) -> Result<Joined, Error> {
    let (mut reader, mut writer): (Reader<FromController>, _) = halves(stream, pool, limits);
    let hello = FromWorker::Hello(Hello { protocols: Protocols::OURS, secret, about });
    within("the greeting", HANDSHAKE_TIMEOUT, writer.send(&hello, &[])).await?;
    if let Some(patience) = patience {
        reader.set_silence(patience);
    }
    let (answer, task) = reader.recv().await.map_err(|e| match e {
        Error::Closed | Error::Truncated | Error::Io(_) => Error::NoAnswer,
        e => e,
    })?;
    let welcome = match answer {
        FromController::Welcome(welcome) => welcome,
        FromController::Refuse { reason } => return Err(Error::Refused(reason)),
        other => {
            return Err(Error::Unexpected { got: other.name(), wanted: "Welcome" });
        }
    };
    let ours = Protocols::OURS;
    if !(ours.min..=ours.max).contains(&welcome.protocol) {
        return Err(Error::Version(format!(
            "the controller chose protocol {}, this worker speaks {ours}: run the same tilefn version on both sides",
            welcome.protocol
        )));
    }
    writer.set_compression(welcome.compression);
    agree(&mut reader, &welcome);
    Ok(Joined { reader, writer, welcome, task })
}

/// The controller's part on a connection that is open and, outside tests, encrypted: reads the greeting and checks it.
///
/// A worker with the right secret and the wrong protocol is told so; any other failure ends without an answer.
///
/// # Errors
/// Why the peer is not let in, for the log.
pub async fn greet(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    peer: SocketAddr,
    secret: &Secret,
    pool: Pool,
) -> Result<Joining, Error> {
    greet_as(Some(peer), stream, secret, pool).await
}

/// As [`greet`], for a peer that may have no address.
pub(super) async fn greet_as(
    peer: Option<SocketAddr>,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    secret: &Secret,
    pool: Pool,
) -> Result<Joining, Error> {
    let (mut reader, mut writer): (Reader<FromWorker>, _) = halves(stream, pool, PayloadLimits::default());
    reader.set_max_header(MAX_HELLO);
    let head = reader.next_header().await?;
    let protocol = match judge(reader.header(), secret) {
        Ok(protocol) => protocol,
        Err(e) => {
            if let Error::Version(reason) = &e {
                writer.send(&FromController::Refuse { reason: reason.clone() }, &[]).await?;
                writer.close().await?;
            }
            return Err(e);
        }
    };
    let message = decode(reader.header())?;
    reader.take_header(message, head)?;
    match reader.payload().await? {
        (FromWorker::Hello(hello), _) => Ok(Joining { about: hello.about, peer, protocol, reader, writer }),
        (other, _) => Err(Error::Unexpected { got: other.name(), wanted: "Hello" }),
    }
}

/// The protocol to use with the sender of these first bytes of a greeting, whatever version made the rest of them.
pub(super) fn judge(header: &[u8], secret: &Secret) -> Result<u16, Error> {
    let ((number, protocols, shown), _): ((u32, Protocols, Secret), _) = decode_prefix(header)?;
    if number != 0 {
        return Err(Error::Unexpected { got: "another message", wanted: "Hello" });
    }
    if !secret.matches(&shown) {
        return Err(Error::WrongSecret);
    }
    Protocols::OURS.choose(protocols)
}

/// The two halves of a connection on which nothing has been said.
fn halves<R: Message, W: Message>(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    pool: Pool,
    limits: PayloadLimits,
) -> (Reader<R>, Writer<W>) {
    let (r, w) = split(stream);
    (Reader::new(r, pool, limits), Writer::new(w))
}

fn agree<M: Message>(reader: &mut Reader<M>, welcome: &Welcome) {
    reader.set_compression(welcome.compression);
    reader.set_silence(silence(Duration::from_millis(welcome.heartbeat_ms.into())));
}

/// `step`, but no longer than `limit`.
pub(super) async fn within<T>(
    what: &'static str,
    limit: Duration,
    step: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    timeout(limit, step).await.map_err(|_| Error::Slow { what, limit })?
}
