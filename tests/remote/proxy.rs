//! A network that misbehaves: a TCP proxy between workers and controller that cuts, corrupts, and holds back.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Forwards connections until dropped.
pub struct Proxy {
    /// Where workers connect to.
    pub address: SocketAddr,
    links: Arc<Mutex<Vec<Arc<Link>>>>,
    stop: Arc<AtomicBool>,
}

/// One connection, both halves.
struct Link {
    worker: TcpStream,
    controller: TcpStream,
    corrupt: AtomicBool,
    held: AtomicBool,
}

impl Proxy {
    /// A proxy to what will listen at `target`.
    pub fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (links, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (all, stopped) = (links.clone(), stop.clone());
        std::thread::spawn(move || {
            for worker in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(worker) = worker else { continue };
                // Refused there is closed here.
                let Ok(controller) = TcpStream::connect(target) else { continue };
                let link = Link { worker, controller, corrupt: AtomicBool::default(), held: AtomicBool::default() };
                let link = Arc::new(link);
                all.lock().unwrap().push(link.clone());
                for to_controller in [true, false] {
                    let link = link.clone();
                    std::thread::spawn(move || link.pump(to_controller));
                }
            }
        });
        Self { address, links, stop }
    }

    /// Does something to the `n`th connection, counted round; false when there is none.
    pub fn disturb(&self, n: usize, how: How) -> bool {
        let mut links = self.links.lock().unwrap();
        links.retain(|link| link.worker.peer_addr().is_ok() && link.controller.peer_addr().is_ok());
        let Some(link) = links.len().checked_sub(1).and_then(|last| links.get(n % (last + 1))) else { return false };
        match how {
            How::Cut => link.close(),
            How::Corrupt => link.corrupt.store(true, Ordering::Relaxed),
            How::Hold(time) => {
                let link = link.clone();
                link.held.store(true, Ordering::Relaxed);
                std::thread::spawn(move || {
                    std::thread::sleep(time);
                    link.held.store(false, Ordering::Relaxed);
                });
            }
        }
        true
    }
}

/// What can happen to a connection.
#[derive(Clone, Copy, Debug)]
pub enum How {
    Cut,
    /// One bit is wrong in the next bytes that pass.
    Corrupt,
    /// Nothing passes for this long.
    Hold(Duration),
}

impl Link {
    fn pump(&self, to_controller: bool) {
        let (mut from, mut to) =
            if to_controller { (&self.worker, &self.controller) } else { (&self.controller, &self.worker) };
        let mut buffer = vec![0; 64 << 10];
        while let Ok(n) = from.read(&mut buffer) {
            while self.held.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(5));
            }
            let bytes = &mut buffer[..n];
            if n > 0 && self.corrupt.swap(false, Ordering::Relaxed) {
                bytes[n / 2] ^= 0x10;
            }
            if n == 0 || to.write_all(bytes).is_err() {
                break;
            }
        }
        self.close();
    }

    fn close(&self) {
        for stream in [&self.worker, &self.controller] {
            // It may be closed already.
            let _closed = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _woken = TcpStream::connect(self.address);
        self.links.lock().unwrap().iter().for_each(|link| link.close());
    }
}

/// A port that nothing listens on now.
pub fn free_port() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}
