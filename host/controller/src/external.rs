//! Workers that somebody else starts: the controller writes a ticket, and takes every worker that comes with it.

use super::fleet::{ConnectedWorkers, Fleet, FleetError};
use std::path::{Path, PathBuf};
use std::time::Duration;
use wire::Ticket;

/// The user is reminded after this long without any worker; then after twice as long, and so on, since a cluster's queue may be long.
const REMINDER: Duration = Duration::from_secs(60);

/// A fleet that starts no workers.
pub struct External {
    /// Where the ticket is written.
    ticket: PathBuf,
    /// The ticket that was written there.
    written: Option<Vec<u8>>,
    /// The addresses that stand in it.
    addresses: Vec<String>,
}

impl External {
    /// Workers come with the ticket that will be written to this path.
    pub fn new(ticket: PathBuf) -> Self {
        Self { ticket, written: None, addresses: Vec::new() }
    }
}

impl Fleet for External {
    async fn start(&mut self, ticket: &Ticket, _roll: &ConnectedWorkers) -> Result<(), FleetError> {
        let failed = |e| FleetError(format!("workers.ticket: {e}"));
        let bytes = ticket.to_json().map_err(failed)?;
        ticket.write(&self.ticket).map_err(failed)?;
        self.written = Some(bytes);
        self.addresses.clone_from(&ticket.addresses);
        Ok(())
    }

    async fn keep(&mut self, workers: &ConnectedWorkers) -> FleetError {
        let say = |waited| tracing::warn!("{}", reminder(waited, &self.ticket, &self.addresses));
        tokio::select! {
            () = somebody(workers) => {}
            () = remind(say) => {}
        }
        // Workers may come at any time, so this fleet never gives up.
        std::future::pending().await
    }

    async fn stop(&mut self) -> Vec<String> {
        let Some(ours) = self.written.take() else { return Vec::new() };
        // Another job may have written its own ticket there in the meantime; that one must stay.
        let found = std::fs::read(&self.ticket);
        let removed = match found {
            Ok(found) if found == ours => std::fs::remove_file(&self.ticket),
            Ok(_) => Ok(()),
            Err(e) => Err(e),
        };
        match removed {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                vec![format!("the ticket {} could not be removed: {e}", self.ticket.display())]
            }
            _ => Vec::new(),
        }
    }
}

/// Waits for the first worker.
async fn somebody(workers: &ConnectedWorkers) {
    loop {
        let changed = workers.changed();
        if workers.count() > 0 {
            return;
        }
        changed.await;
    }
}

/// Calls `say` from time to time with the time waited.
async fn remind(say: impl Fn(Duration)) {
    let (mut waited, mut pause) = (Duration::ZERO, REMINDER);
    loop {
        tokio::time::sleep(pause).await;
        waited += pause;
        say(waited);
        pause = waited;
    }
}

fn reminder(waited: Duration, ticket: &Path, addresses: &[String]) -> String {
    format!(
        "no worker has connected within {} min; still waiting. Have any been started, with the ticket {}? Can they reach {} \
         (workers.listen, workers.advertise, a firewall)? Their own messages say more",
        waited.as_secs() / 60,
        ticket.display(),
        addresses.join(" or ")
    )
}

#[cfg(test)]
mod tests {
    use super::super::liveness::about;
    use super::*;
    use std::sync::Mutex;
    use tokio::time::timeout;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn the_user_is_reminded_after_a_minute_then_after_twice_as_long_each_time() {
        let said = Mutex::new(Vec::new());
        let say = |waited: Duration| said.lock().unwrap().push(waited.as_secs() / 60);
        assert!(timeout(MINUTE * 20, remind(say)).await.is_err(), "it waits on");
        assert_eq!(*said.lock().unwrap(), [1, 2, 4, 8, 16]);
        assert_eq!(
            reminder(MINUTE * 2, Path::new("ticket.json"), &["10.0.1.17:7400".into()]),
            "no worker has connected within 2 min; still waiting. Have any been started, with the ticket ticket.json? Can they \
             reach 10.0.1.17:7400 (workers.listen, workers.advertise, a firewall)? Their own messages say more"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_reminded_once_a_worker_has_come() {
        let workers = ConnectedWorkers::default();
        let waiting = tokio::spawn({
            let workers = workers.clone();
            async move { somebody(&workers).await }
        });
        tokio::time::sleep(MINUTE).await;
        assert!(!waiting.is_finished());
        workers.join(1, about("w"));
        waiting.await.unwrap();
    }
}
