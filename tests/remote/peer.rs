//! Peers that the test itself plays: from any loopback address, honest or not.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use types::WorkerKind;
use wire::{self, About, Joined, PayloadLimits, Pool, Ticket};

pub const LIMITS: PayloadLimits =
    PayloadLimits { task: 64 << 20, module: 64 << 20, tile: 64 << 20, result: 0, rasters: 16 };

pub fn about(name: &str) -> About {
    About {
        name: name.into(),
        host: "test".into(),
        pid: std::process::id(),
        kind: WorkerKind::External,
        task_arn: None,
        threads: 1,
        reads: true,
    }
}

/// The ticket that the controller has written here.
pub fn ticket(path: &Path) -> Ticket {
    Ticket::read(path).unwrap()
}

/// A connection to the ticket's controller from 127.0.0.`last`: the controller logs what it turns away once for each address.
pub async fn tcp(ticket: &Ticket, last: u8) -> TcpStream {
    let to: SocketAddr = ticket.addresses[0].parse().unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::new(127, 0, 0, last), 0).into()).unwrap();
    socket.connect(to).await.unwrap()
}

/// TLS on a connection from 127.0.0.`last`, with whoever is there.
pub async fn tls(ticket: &Ticket, last: u8) -> TlsStream<TcpStream> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting(provider)))
        .with_no_client_auth();
    let name = ServerName::try_from("tilefn").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, tcp(ticket, last).await).await.unwrap()
}

/// Joins like a worker, from 127.0.0.`last`, without looking at the certificate.
pub async fn join(ticket: &Ticket, last: u8, name: &str) -> Result<Joined, wire::Error> {
    wire::join(tls(ticket, last).await, ticket.secret.clone(), about(name), Pool::new(64 << 20), LIMITS).await
}

#[derive(Debug)]
struct Trusting(Arc<rustls::crypto::CryptoProvider>);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        unreachable!("TLS 1.2 is not used")
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
