//! The ticket: the small secret file that tells a worker where its controller is and how to prove itself.
//!
//! It is JSON, so that a person can look at one and other programs can make it:
//!
//! ```json
//! {"version":1, "job":"ndvi-7f3a", "addresses":["10.0.3.7:41873"], "certificate_sha256":"…64 digits…",
//!  "secret":"…64 digits…", "module_sha256":"…64 digits…", "module_url":null, "expires":1767225600}
//! ```
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::tls::Fingerprint;
use super::{Error, Secret, secret};

/// The ticket format that this program reads and writes.
pub const TICKET_VERSION: u32 = 1;
/// Bytes of a ticket file; a real one has under 2 KiB.
const MAX_TICKET: u64 = 64 << 10;
/// Addresses in a ticket: a machine's interfaces, by IPv4 and IPv6.
const MAX_ADDRESSES: usize = 32;

/// Where the controller is and how a worker proves itself. Whoever has it can join the job.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ticket {
    version: u32,
    /// The job's id.
    pub job: String,
    /// The controller's addresses, `host:port`, in the order to try them.
    pub addresses: Vec<String>,
    /// SHA-256 of the controller's certificate (DER).
    pub certificate_sha256: Fingerprint,
    /// What the worker shows the controller.
    #[serde(with = "secret::as_hex")]
    pub secret: Secret,
    /// SHA-256 of the module.
    pub module_sha256: Fingerprint,
    /// Where to fetch the module (`s3://…`, `https://…`); without it, the controller sends it.
    #[serde(default)]
    pub module_url: Option<String>,
    /// When it ceases to be valid, in seconds since 1970 (UTC).
    pub expires: u64,
}

impl Ticket {
    /// A ticket for the controller at `addresses`, for its module sent by itself.
    pub fn new(
        job: impl Into<String>,
        addresses: Vec<String>,
        certificate: Fingerprint,
        secret: Secret,
        module: Fingerprint,
        expires: SystemTime,
    ) -> Self {
        Self {
            version: TICKET_VERSION,
            job: job.into(),
            addresses,
            certificate_sha256: certificate,
            secret,
            module_sha256: module,
            module_url: None,
            expires: seconds(expires),
        }
    }

    /// The ticket in `bytes`, which came from `place` (a path or an `s3://` address, for messages).
    ///
    /// # Errors
    /// [`Error::Ticket`] with what is wrong; never with the secret.
    pub fn parse(place: &str, bytes: &[u8]) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let wrong = |problem: String| Error::Ticket { place: place.to_owned(), problem };
        let json = |e: serde_json::Error| {
            // serde's text may quote a value, and the value may be the secret.
            wrong(format!("not a ticket (line {}, column {})", e.line(), e.column()))
        };
        if bytes.len() as u64 > MAX_TICKET {
            return Err(wrong(format!("over {MAX_TICKET} bytes, so not a ticket")));
        }
        let Version { version } = serde_json::from_slice(bytes).map_err(json)?;
        if version != TICKET_VERSION {
            return Err(wrong(format!(
                "format {version}, this tilefn reads {TICKET_VERSION}: run the same tilefn version on both sides"
            )));
        }
        let ticket: Self = serde_json::from_slice(bytes).map_err(json)?;
        if ticket.addresses.is_empty() || ticket.addresses.len() > MAX_ADDRESSES {
            return Err(wrong(format!("{} addresses instead of 1 to {MAX_ADDRESSES}", ticket.addresses.len())));
        }
        if let Some(bad) = ticket.addresses.iter().find(|a| !is_host_and_port(a)) {
            return Err(wrong(format!("the address {bad:?} is not host:port")));
        }
        Ok(ticket)
    }

    /// The ticket as the bytes of a file or object.
    ///
    /// # Errors
    /// None in practice; serde's signature has one.
    pub fn to_json(&self) -> Result<Vec<u8>, Error> {
        serde_json::to_vec(self).map_err(|e| Error::Ticket { place: self.job.clone(), problem: e.to_string() })
    }

    /// Reads the ticket at `path`; warns when other users can read it too.
    ///
    /// # Errors
    /// [`Error::Ticket`] with what is wrong.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let place = path.display().to_string();
        let failed = |e: std::io::Error| ticket_error(&place, &e);
        let file = File::open(path).map_err(failed)?;
        if is_open_to_others(&file).map_err(failed)? {
            tracing::warn!("ticket {place} can be read by other users of this machine: chmod 600 it");
        }
        Self::read_from(&place, file)
    }

    /// Reads the ticket from a stream to its end; `place` is its name in messages.
    ///
    /// # Errors
    /// [`Error::Ticket`] with what is wrong.
    pub fn read_from(place: &str, stream: impl Read) -> Result<Self, Error> {
        let mut bytes = Vec::new();
        stream.take(MAX_TICKET + 1).read_to_end(&mut bytes).map_err(|e| ticket_error(place, &e))?;
        Self::parse(place, &bytes)
    }

    /// Writes the ticket to `path`, readable by its owner only; a reader sees all of it or nothing.
    ///
    /// # Errors
    /// [`Error::Ticket`] with the system's reason.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let failed = |e: std::io::Error| Error::Ticket { place: path.display().to_string(), problem: e.to_string() };
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // A named temporary file has mode 0600 from the start.
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        file.write_all(&self.to_json()?).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
        file.persist(path).map_err(|e| failed(e.error))?;
        Ok(())
    }

    /// Checks that the ticket is still valid at `now`.
    ///
    /// # Errors
    /// [`Error::Ticket`] saying since when it is not.
    pub fn check_valid(&self, now: SystemTime) -> Result<(), Error> {
        match seconds(now).checked_sub(self.expires) {
            None => Ok(()),
            Some(past) => Err(Error::Ticket {
                place: format!("of job {}", self.job),
                problem: format!(
                    "expired {:?} ago; if the job still runs, check this machine's clock",
                    Duration::from_secs(past)
                ),
            }),
        }
    }
}

fn ticket_error(place: &str, error: &std::io::Error) -> Error {
    Error::Ticket { place: place.to_owned(), problem: error.to_string() }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

fn is_host_and_port(address: &str) -> bool {
    address.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|p| p > 0))
}

#[cfg(unix)]
fn is_open_to_others(file: &File) -> std::io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    Ok(file.metadata()?.mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_file: &File) -> std::io::Result<bool> {
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn ticket() -> Ticket {
        Ticket::new(
            "ndvi-1",
            vec!["10.0.3.7:41873".into(), "[fd00::1]:41873".into()],
            Fingerprint([1; 32]),
            Secret::of([0xab; 32]),
            Fingerprint([2; 32]),
            SystemTime::UNIX_EPOCH + Duration::from_secs(1_000),
        )
    }

    fn problem(result: Result<Ticket, Error>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn the_file_is_private_and_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ticket.json");
        std::fs::write(&path, "an older one").unwrap();
        ticket().write(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let back = Ticket::read(&path).unwrap();
        assert_eq!(back.job, "ndvi-1");
        assert_eq!(back.addresses, ticket().addresses);
        assert!(back.secret.matches(&ticket().secret));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn the_text_is_what_the_documentation_shows() {
        let json = String::from_utf8(ticket().to_json().unwrap()).unwrap();
        let expected = format!(
            r#"{{"version":1,"job":"ndvi-1","addresses":["10.0.3.7:41873","[fd00::1]:41873"],"certificate_sha256":"{}","secret":"{}","module_sha256":"{}","module_url":null,"expires":1000}}"#,
            "01".repeat(32),
            "ab".repeat(32),
            "02".repeat(32),
        );
        assert_eq!(json, expected);
    }

    #[test]
    fn what_is_not_a_ticket_is_refused_with_its_place() {
        assert_eq!(problem(Ticket::parse("t", b"{\"x\":")), "ticket t: not a ticket (line 1, column 5)");
        assert_eq!(
            problem(Ticket::parse("t", br#"{"version":2,"anything":[]}"#)),
            "ticket t: format 2, this tilefn reads 1: run the same tilefn version on both sides"
        );
        assert_eq!(problem(Ticket::parse("t", &vec![b' '; 70_000])), "ticket t: over 65536 bytes, so not a ticket");
        let missing = problem(Ticket::read(Path::new("/nonexistent/ticket")));
        assert_eq!(missing, "ticket /nonexistent/ticket: No such file or directory (os error 2)");
    }

    #[test]
    fn wrong_addresses_are_refused() {
        for (address, good) in [("host", false), ("host:0", false), (":1", false), ("host:65536", false), ("h:1", true)]
        {
            let mut ticket = ticket();
            ticket.addresses = vec![address.into()];
            let result = Ticket::parse("t", &ticket.to_json().unwrap());
            assert_eq!(result.is_ok(), good, "{address}");
        }
        let mut none = ticket();
        none.addresses.clear();
        assert_eq!(problem(Ticket::parse("t", &none.to_json().unwrap())), "ticket t: 0 addresses instead of 1 to 32");
    }

    #[test]
    fn a_damaged_secret_is_not_quoted() {
        let json = String::from_utf8(ticket().to_json().unwrap()).unwrap().replace("abab", "ab_b");
        assert!(!problem(Ticket::parse("t", json.as_bytes())).contains("ab_b"));
        assert!(!format!("{:?}", ticket()).contains("171, 171"));
    }

    #[test]
    fn a_ticket_expires() {
        let at = |s| SystemTime::UNIX_EPOCH + Duration::from_secs(s);
        ticket().check_valid(at(999)).unwrap();
        assert_eq!(
            ticket().check_valid(at(1_060)).unwrap_err().to_string(),
            "ticket of job ndvi-1: expired 60s ago; if the job still runs, check this machine's clock"
        );
    }
}
