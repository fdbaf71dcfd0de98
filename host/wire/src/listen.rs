//! The controller's listener: accepts connections and lets in those that hold the ticket.
use std::collections::{HashSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::handshake::{Joining, greet, within};
use super::limits::{CROWDED_HANDSHAKE, HANDSHAKE_TIMEOUT, MAX_HALF_OPEN};
use super::tls::JobCertificate;
use super::{Error, Pool, Secret};

/// Pause after the system refused to accept a connection (mostly because too many files are open).
const ACCEPT_BACK_OFF: Duration = Duration::from_millis(200);
/// Addresses whose first rejection was logged; beyond this, rejections go to the debug log only.
const MAX_NOTICED: usize = 1024;

/// Accepts workers' connections on one socket. A peer that fails the handshake is told nothing, is dropped after
/// the handshake's time limit at the latest, and costs one log line for each address.
pub struct Listener {
    tcp: TcpListener,
    certificate: JobCertificate,
    secret: Secret,
    pool: Pool,
    handshakes: JoinSet<(SocketAddr, Result<Joining, Error>)>,
    /// Unfinished handshakes, the oldest first.
    started: VecDeque<(Instant, AbortHandle)>,
    resume: Option<Instant>,
    noticed: HashSet<IpAddr>,
}

impl Listener {
    /// A listener at `tcp`; payloads of all its connections share `pool`.
    pub fn new(tcp: TcpListener, certificate: JobCertificate, secret: Secret, pool: Pool) -> Self {
        Self {
            tcp,
            certificate,
            secret,
            pool,
            handshakes: JoinSet::new(),
            started: VecDeque::new(),
            resume: None,
            noticed: HashSet::new(),
        }
    }

    /// The next worker that has shown the secret.
    ///
    /// Handshakes go on only while this is awaited. Dropping the future loses nothing, so it may stand in a `select!`;
    /// dropping the listener drops all unfinished handshakes.
    pub async fn accept(&mut self) -> Joining {
        loop {
            self.started.retain(|(_, task)| !task.is_finished());
            let full = self.handshakes.len() >= MAX_HALF_OPEN;
            let crowded = self.started.front().map(|(start, _)| *start + CROWDED_HANDSHAKE).filter(|_| full);
            tokio::select! {
                Some(finished) = self.handshakes.join_next() => match finished {
                    Ok((_, Ok(joining))) => return joining,
                    Ok((peer, Err(e))) => self.notice(peer, &e),
                    // Dropped below.
                    Err(_) => {}
                },
                () = sleep_until(crowded.unwrap_or_else(Instant::now)), if crowded.is_some() => {
                    if let Some((_, task)) = self.started.pop_front() {
                        task.abort();
                    }
                }
                () = sleep_until(self.resume.unwrap_or_else(Instant::now)), if self.resume.is_some() => {
                    self.resume = None;
                }
                accepted = self.tcp.accept(), if !full && self.resume.is_none() => match accepted {
                    Ok((stream, peer)) => self.start(stream, peer),
                    Err(e) => {
                        tracing::warn!("cannot accept a connection: {e}");
                        self.resume = Some(Instant::now() + ACCEPT_BACK_OFF);
                    }
                },
            }
        }
    }

    fn start(&mut self, stream: TcpStream, peer: SocketAddr) {
        let certificate = self.certificate.clone();
        let secret = self.secret.clone();
        let pool = self.pool.clone();
        let handshake = async move {
            stream.set_nodelay(true)?;
            greet(certificate.accept(stream).await?, peer, &secret, pool).await
        };
        let task = async move { (peer, within("the handshake", HANDSHAKE_TIMEOUT, handshake).await) };
        self.started.push_back((Instant::now(), self.handshakes.spawn(task)));
    }

    fn notice(&mut self, peer: SocketAddr, error: &Error) {
        if self.noticed.len() < MAX_NOTICED && self.noticed.insert(peer.ip()) {
            tracing::warn!(%peer, "connection turned away: {error} (further ones from there are not logged)");
        } else {
            tracing::debug!(%peer, "connection turned away: {error}");
        }
    }
}
