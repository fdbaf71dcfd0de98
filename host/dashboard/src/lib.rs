//! The dashboard: a running job as one page in a browser, as JSON, and as metrics for Prometheus. It observes the controller's events.
//!
//! It runs on a thread of its own and only looks: what it shows is computed when somebody asks, at most a few times a
//! second however many ask. Clients that stall, ask nonsense or come in masses are dropped and cost a few kilobytes each.

mod http;
mod map;
mod metrics;
mod picture;
mod status;
mod view;

pub use picture::Picture;
pub use status::Status;
pub use view::JobView;

use http::{Reply, Request};
use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinSet};

/// Connections at a time; another one pushes out the oldest.
const MAX_CONNECTIONS: usize = 64;
/// A connection is for one request, which has this long from the first byte to the last of the answer.
const DEADLINE: Duration = Duration::from_secs(10);
/// An answer is reused for this long.
const KEEP: Duration = Duration::from_millis(200);

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// An address that the dashboard has, before the job begins.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    /// The name or address given by the user.
    name: String,
}

impl Bound {
    /// Listens at `text`: a port, on this machine's loopback only, or an address or name with a port. Port 0 is any free one.
    ///
    /// # Errors
    /// When `text` is no address, or the system refuses it.
    pub fn new(text: &str) -> io::Result<Self> {
        let (name, listener) = match (text.parse::<u16>(), text.rsplit_once(':')) {
            (Ok(port), _) => ("localhost", TcpListener::bind((Ipv4Addr::LOCALHOST, port))?),
            (_, Some((name, port))) if !name.is_empty() && port.parse::<u16>().is_ok() => {
                (name, TcpListener::bind(text.to_socket_addrs()?.collect::<Vec<_>>().as_slice())?)
            }
            _ => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "it is neither a port nor an address with a port, like 127.0.0.1:8080",
                ));
            }
        };
        listener.set_nonblocking(true)?;
        Ok(Self { address: listener.local_addr()?, name: name.to_owned(), listener })
    }

    /// Where the page is.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Whether other machines can reach it.
    pub fn is_open(&self) -> bool {
        !self.address.ip().is_loopback()
    }

    /// Serves what `look` returns, and the picture, until the [`Dashboard`] is dropped.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn serve(
        self,
        look: impl Fn() -> Status + Send + Sync + 'static,
        picture: Option<Arc<Picture>>,
    ) -> io::Result<Dashboard> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let site = Arc::new(Site { name: self.name, look: Box::new(look), picture, last: Mutex::default() });
        let listener = {
            let _context = runtime.enter();
            tokio::net::TcpListener::from_std(self.listener)?
        };
        let thread = std::thread::Builder::new()
            .name("dashboard".into())
            .spawn(move || runtime.block_on(accept(&listener, &site, stopped)))?;
        Ok(Dashboard { _stop: Some(stop), thread: Some(thread) })
    }
}

/// A dashboard that is served until this is dropped.
#[derive(Debug)]
pub struct Dashboard {
    /// The thread ends when this goes.
    _stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        self._stop = None;
        if let Some(thread) = self.thread.take() {
            // If the thread panicked, that was logged, and the job goes on.
            let _ended = thread.join();
        }
    }
}

async fn accept(listener: &tokio::net::TcpListener, site: &Arc<Site>, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    let mut by_age: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else {
                    // Mostly, no file descriptor is free. Some will be.
                    tokio::time::sleep(KEEP).await;
                    continue;
                };
                by_age.retain(|c| !c.is_finished());
                if by_age.len() >= MAX_CONNECTIONS {
                    by_age.pop_front().iter().for_each(AbortHandle::abort);
                }
                let site = site.clone();
                by_age.push_back(connections.spawn(async move {
                    // A client that is too slow, or gone, is dropped without a word.
                    let _too_slow = tokio::time::timeout(DEADLINE, http::serve(stream, |request| site.answer(request))).await;
                }));
            }
        }
    }
}

/// What is served.
struct Site {
    name: String,
    look: Box<dyn Fn() -> Status + Send + Sync>,
    picture: Option<Arc<Picture>>,
    last: Mutex<Option<(Instant, Arc<Texts>)>>,
}

/// A status as it is sent.
struct Texts {
    json: String,
    metrics: String,
}

impl Site {
    fn answer(&self, request: &Request) -> Reply {
        if !http::is_here(&request.host, &self.name) {
            // DNS rebinding: the owner of a foreign name could point it here to let their pages read ours.
            return Reply::error(
                "421 Misdirected Request",
                "use the dashboard's IP address, or the name given to --dashboard",
            );
        }
        match request.path.as_str() {
            "/" => Reply::page("text/html; charset=utf-8", PAGE),
            "/page.css" => Reply::page("text/css; charset=utf-8", STYLE),
            "/page.js" => Reply::page("text/javascript; charset=utf-8", SCRIPT),
            "/status.json" => Reply::text("application/json", self.texts().json.clone()),
            "/picture.png" => match &self.picture {
                Some(picture) => Reply::bytes("image/png", picture.png()),
                None => Reply::error("404 Not Found", "the job has no output that is a file"),
            },
            "/metrics" => Reply::text("text/plain; version=0.0.4; charset=utf-8", self.texts().metrics.clone()),
            _ => Reply::error("404 Not Found", "there are /, /picture.png, /status.json and /metrics"),
        }
    }

    fn texts(&self) -> Arc<Texts> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((at, texts)) if at.elapsed() < KEEP => texts.clone(),
            _ => {
                let status = (self.look)();
                // Numbers, texts and lists of them always have a JSON form.
                let json = types::text::json(&serde_json::to_string(&status).unwrap_or_default()).into_owned();
                let texts = Arc::new(Texts { json, metrics: metrics::text(&status) });
                *last = Some((Instant::now(), texts.clone()));
                texts
            }
        }
    }
}
