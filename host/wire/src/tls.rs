//! TLS for one job: a certificate made for it, and a client that accepts that certificate and no other.
//!
//! TLS 1.3 with AES-128-GCM only, no resumption, no early data: `docs/decisions/0005-compression-and-tls.md`.
use std::io;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::{CryptoProvider, ring, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{NoServerSessionStorage, ServerConfig};
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme, version};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::Error;

/// Bytes read from the socket at once. rustls itself asks for 4 KiB at a time; larger reads save most of the system
/// calls. The memory is touched, hence used, only as far as bytes come.
const READ_AHEAD: usize = 256 << 10;
/// Bytes that are encrypted before they are written to the socket, in one system call.
const WRITE_AHEAD: usize = 256 << 10;
/// The name in the certificate; pinning makes it meaningless, but the format wants one.
const SERVER_NAME: &str = "tilefn";

/// A SHA-256; 64 hexadecimal digits in a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint(#[serde(with = "hex::serde")] pub [u8; 32]);

impl Fingerprint {
    /// The fingerprint of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

/// A job's certificate and key; the key never leaves the process.
#[derive(Clone)]
pub struct JobCertificate {
    config: Arc<ServerConfig>,
    fingerprint: Fingerprint,
}

impl JobCertificate {
    /// A new self-signed certificate with a new P-256 key.
    ///
    /// # Errors
    /// [`Error::Certificate`] when the system has no randomness to give.
    pub fn generate() -> Result<Self, Error> {
        let made = rcgen::generate_simple_self_signed([SERVER_NAME.to_owned()])
            .map_err(|e| Error::Certificate(e.to_string()))?;
        let certificate = made.cert.der().clone();
        let fingerprint = Fingerprint::of(&certificate);
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(&[&version::TLS13])
            .and_then(|b| b.with_no_client_auth().with_single_cert(vec![certificate], key))
            .map_err(|e| Error::Certificate(e.to_string()))?;
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Self { config: Arc::new(config), fingerprint })
    }

    /// The certificate's fingerprint, for the ticket.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The server's side of a TLS handshake on `io`.
    ///
    /// # Errors
    /// [`Error::Io`] when the peer does not speak TLS 1.3 or drops out.
    pub async fn accept<IO>(&self, io: IO) -> Result<TlsStream<BufReader<IO>>, Error>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let io = BufReader::with_capacity(READ_AHEAD, io);
        let mut stream = TlsAcceptor::from(Arc::clone(&self.config)).accept(io).await?;
        stream.get_mut().1.set_buffer_limit(Some(WRITE_AHEAD));
        Ok(stream.into())
    }
}

/// The worker's side of a TLS handshake on `io`, with a server that must have the certificate of this fingerprint.
///
/// # Errors
/// [`Error::WrongCertificate`], or [`Error::Io`] when the server does not speak TLS 1.3 or drops out.
pub async fn connect<IO>(io: IO, pin: Fingerprint) -> Result<TlsStream<BufReader<IO>>, Error>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let provider = Arc::new(provider());
    let verifier = Pinned { pin, provider: Arc::clone(&provider) };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])
        .map_err(|e| Error::Certificate(e.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    let name = ServerName::try_from(SERVER_NAME).map_err(|e| Error::Certificate(e.to_string()))?;
    let io = BufReader::with_capacity(READ_AHEAD, io);
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, io).await.map_err(|e| match rejected(&e) {
        true => Error::WrongCertificate,
        false => Error::Io(e),
    })?;
    stream.get_mut().1.set_buffer_limit(Some(WRITE_AHEAD));
    Ok(stream.into())
}

fn rejected(e: &io::Error) -> bool {
    let cause = e.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
    matches!(cause, Some(rustls::Error::InvalidCertificate(_)))
}

/// ring's algorithms, with the one cipher suite.
fn provider() -> CryptoProvider {
    CryptoProvider { cipher_suites: vec![ring::cipher_suite::TLS13_AES_128_GCM_SHA256], ..ring::default_provider() }
}

/// Accepts one certificate, whatever its names and dates say; the handshake's signature is verified as always, so that
/// showing a copy of the certificate is not enough.
#[derive(Debug)]
struct Pinned {
    pin: Fingerprint,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if bool::from(Fingerprint::of(end_entity).0.ct_eq(&self.pin.0)) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not used".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
