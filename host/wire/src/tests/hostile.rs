//! What connects without a ticket, or with one and bad manners, over real sockets.
use std::net::SocketAddr;
use std::time::SystemTime;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;
use crate::frame::{Coding, Head, PREFACE};
use crate::limits::{HANDSHAKE_TIMEOUT, MAX_HALF_OPEN, MAX_HELLO};
use crate::tls;

/// A listener that lets workers in for ever, and its ticket.
struct Door {
    address: SocketAddr,
    ticket: Ticket,
    joined: tokio::sync::mpsc::UnboundedReceiver<Joining>,
    task: JoinHandle<()>,
}

async fn door() -> Door {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let certificate = JobCertificate::generate().unwrap();
    let ticket = ticket(address, certificate.fingerprint(), secret());
    let mut listener = Listener::new(tcp, certificate, secret(), Pool::new(64 << 20));
    let (let_in, joined) = tokio::sync::mpsc::unbounded_channel();
    let task = tokio::spawn(async move {
        loop {
            let _ = let_in.send(listener.accept().await);
        }
    });
    Door { address, ticket, joined, task }
}

fn ticket(address: SocketAddr, certificate: Fingerprint, secret: Secret) -> Ticket {
    let expires = SystemTime::now() + Duration::from_secs(3600);
    Ticket::new("job", vec![address.to_string()], certificate, secret, Fingerprint([0; 32]), expires)
}

impl Door {
    /// An honest worker gets in and is answered.
    async fn lets_a_worker_in(&mut self) {
        let (about, pool) = (about(), Pool::new(1 << 20));
        let worker = connect(&self.ticket, &about, &pool, LIMITS);
        let controller = async {
            let joining = self.joined.recv().await.unwrap();
            let terms = Terms { heartbeat: Duration::from_secs(5), compression: Compression::for_peer(joining.peer) };
            joining.welcome(terms, b"task", LIMITS).await
        };
        let (worker, controller) = tokio::join!(worker, controller);
        controller.unwrap();
        assert_eq!(worker.unwrap().task.part(0), Some(&b"task"[..]));
    }
}

/// Waits for the peer to hang up and returns what it had sent.
async fn until_closed(mut stream: impl tokio::io::AsyncRead + Unpin) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset ends it too.
    let _ = stream.read_to_end(&mut bytes).await;
    bytes
}

#[tokio::test]
async fn a_ticket_holder_gets_in_and_pixels_cross_tls() {
    let mut door = door().await;
    door.lets_a_worker_in().await;
    let pixels: Vec<u8> = (0..3_000_000_u32).map(|i| u8::try_from(i % 251).unwrap()).collect();
    for compression in [Compression::None, Compression::Lz4] {
        let (about, pool) = (about(), Pool::new(1 << 20));
        let (worker, joining) = tokio::join!(connect(&door.ticket, &about, &pool, LIMITS), async {
            let joining = door.joined.recv().await.unwrap();
            let terms = Terms { heartbeat: Duration::from_secs(5), compression };
            joining.welcome(terms, &[], LIMITS).await
        });
        let (mut from_worker, _to_worker) = joining.unwrap();
        let message = result(vec![vec![raster(DType::UInt8, 3_000, 1_000)]], 0);
        let mut worker = worker.unwrap();
        let parts: [&[u8]; 2] = [&pixels, &[]];
        let (sent, received) = tokio::join!(worker.writer.send(&message, &parts), from_worker.recv());
        sent.unwrap();
        assert_eq!(received.unwrap().1.part(0), Some(&pixels[..]));
        // A process that is killed closes its sockets without TLS's goodbye.
        drop(worker);
        assert_eq!(from_worker.recv().await.unwrap_err().to_string(), "the connection was closed by the other side");
    }
}

#[tokio::test]
async fn a_wrong_certificate_is_not_talked_to() {
    let mut door = door().await;
    let other = JobCertificate::generate().unwrap().fingerprint();
    let wrong = ticket(door.address, other, secret());
    let error = connect(&wrong, &about(), &Pool::new(1 << 20), LIMITS).await.err().unwrap();
    assert_eq!(
        error.to_string(),
        "the server's certificate is not the one in the ticket: the ticket is of another job, or something else \
         listens there"
    );
    door.lets_a_worker_in().await;
}

#[tokio::test]
async fn a_copied_certificate_without_its_key_is_not_enough() {
    use rustls::pki_types::PrivateKeyDer;
    let real = rcgen::generate_simple_self_signed(["tilefn".to_owned()]).unwrap();
    let thief = rcgen::KeyPair::generate().unwrap();
    let key =
        rustls::crypto::ring::sign::any_supported_type(&PrivateKeyDer::Pkcs8(thief.serialize_der().into())).unwrap();
    let stolen = rustls::sign::CertifiedKey::new(vec![real.cert.der().clone()], key);
    let config = rustls::ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(std::sync::Arc::new(rustls::sign::SingleCertAndKey::from(stolen)));
    let (a, b) = duplex(1 << 16);
    let server = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config)).accept(a);
    let (client, server) = tokio::join!(tls::connect(b, Fingerprint::of(real.cert.der())), server);
    assert!(matches!(client.err().unwrap(), Error::WrongCertificate));
    assert!(server.is_err());
}

#[tokio::test]
async fn a_wrong_secret_learns_nothing() {
    let mut door = door().await;
    let wrong = ticket(door.address, door.ticket.certificate_sha256, Secret::of([0; 32]));
    let error = connect(&wrong, &about(), &Pool::new(1 << 20), LIMITS).await.err().unwrap();
    assert!(matches!(error, Error::NoAnswer), "{error}");
    door.lets_a_worker_in().await;
}

#[tokio::test]
async fn an_expired_ticket_is_not_tried() {
    let mut ticket = ticket(peer(), Fingerprint([0; 32]), secret());
    ticket.expires = 0;
    let error = connect(&ticket, &about(), &Pool::new(1 << 20), LIMITS).await.err().unwrap();
    assert!(error.to_string().starts_with("ticket of job job: expired "), "{error}");
}

#[tokio::test]
async fn addresses_are_tried_in_turn() {
    let mut door = door().await;
    // A port that was free a moment ago refuses connections.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    door.ticket.addresses = vec![closed.clone(), door.address.to_string()];
    door.lets_a_worker_in().await;
    door.ticket.addresses = vec![closed.clone()];
    let error = connect(&door.ticket, &about(), &Pool::new(1 << 20), LIMITS).await.err().unwrap();
    assert_eq!(
        error.to_string(),
        format!("no controller could be reached: {closed}: connection error: Connection refused (os error 111)")
    );
}

#[tokio::test]
async fn noise_instead_of_tls_is_dropped() {
    let mut door = door().await;
    for noise in [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], &[0; 64], &[0xff; 5000], &PREFACE] {
        let mut stream = TcpStream::connect(door.address).await.unwrap();
        let _ = stream.write_all(noise).await;
        let _ = stream.shutdown().await;
        let answer = until_closed(stream).await;
        // At most TLS's own seven-byte alert.
        assert!(answer.len() <= 7, "{answer:?}");
    }
    door.lets_a_worker_in().await;
}

#[tokio::test]
async fn noise_inside_tls_is_dropped_without_an_answer() {
    let mut door = door().await;
    let frame = |head: Head, rest: &[u8]| [&PREFACE[..], &head.to_bytes(), rest].concat();
    let plain = |header, payload| Head { coding: Coding::Plain, header, payload };
    for bytes in [
        b"not tilefn".to_vec(),
        [&[2], &PREFACE[1..]].concat(),
        frame(plain(MAX_HELLO + 1, 0), &[]),
        frame(plain(u32::MAX, u64::MAX), &[]),
        frame(plain(1, u64::MAX), &[2]),
        frame(plain(2, 0), &[3, 4]),
        frame(plain(300, 0), &[0; 300]),
        // A greeting cut short.
        frame(plain(80, 0), &[0, 1, 1, 0x5a, 0x5a]),
    ] {
        let stream = TcpStream::connect(door.address).await.unwrap();
        let mut stream = tls::connect(stream, door.ticket.certificate_sha256).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(until_closed(stream).await, b"");
    }
    door.lets_a_worker_in().await;
}

#[tokio::test]
async fn lengths_over_the_jobs_limits_are_refused_before_any_pixel() {
    let (mut reader, mut raw) = raw();
    let mut message = Vec::new();
    let large = result(vec![vec![raster(DType::Float64, 4096, 4096)]], 0);
    crate::frame::encode(&large, &mut message).unwrap();
    let head = Head { coding: Coding::Plain, header: u32::try_from(message.len()).unwrap(), payload: 4096 * 4096 * 8 };
    raw.write_all(&[&PREFACE[..], &head.to_bytes(), &message].concat()).await.unwrap();
    assert_eq!(
        reader.recv().await.unwrap_err().to_string(),
        "Result of 134217728 bytes exceeds the limit of 16777216 bytes"
    );
}

#[tokio::test]
async fn a_payload_must_be_what_the_message_says() {
    for (payload, coding, text) in [
        (11, Coding::Plain, "Result comes with 11 bytes of payload, its parts have 12"),
        (13, Coding::Plain, "Result comes with 13 bytes of payload, its parts have 12"),
        (12, Coding::Packed(1), "a compressed payload, though no compression was agreed"),
    ] {
        let (mut reader, mut raw) = raw();
        let mut message = Vec::new();
        crate::frame::encode(&result(vec![vec![raster(DType::UInt8, 3, 4)]], 0), &mut message).unwrap();
        let head = Head { coding, header: u32::try_from(message.len()).unwrap(), payload };
        raw.write_all(&[&PREFACE[..], &head.to_bytes(), &message].concat()).await.unwrap();
        assert_eq!(reader.recv().await.unwrap_err().to_string(), format!("malformed message: {text}"));
    }
}

#[tokio::test]
async fn hundreds_of_idle_connections_do_not_keep_a_worker_out() {
    let mut door = door().await;
    let mut idle = Vec::new();
    for _ in 0..MAX_HALF_OPEN + 50 {
        idle.push(TcpStream::connect(door.address).await.unwrap());
    }
    door.lets_a_worker_in().await;
    drop(idle);
}

#[tokio::test(start_paused = true)]
async fn slow_handshakes_end_at_the_deadline() {
    // The clock of this test jumps to the next timer whenever all wait, so a slow byte costs no time.
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let mut listener = Listener::new(tcp, JobCertificate::generate().unwrap(), secret(), Pool::new(1 << 20));
    let start = tokio::time::Instant::now();
    let slow = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The beginning of a TLS record of 512 bytes, then a byte each second for ever.
        let mut bytes = [0x16, 3, 1, 2, 0].into_iter().chain(std::iter::repeat(1));
        while stream.write_all(&[bytes.next().unwrap()]).await.is_ok() && start.elapsed() < 3 * HANDSHAKE_TIMEOUT {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        start.elapsed()
    };
    tokio::select! {
        elapsed = slow => {
            assert!(elapsed < 3 * HANDSHAKE_TIMEOUT, "still connected after {elapsed:?}");
        }
        _ = listener.accept() => panic!("let in"),
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}
