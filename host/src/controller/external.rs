//! Workers that somebody else starts: the ticket is written, the command shown, and whoever comes with it works.

use super::fleet::{Fleet, FleetError, Roll};
use crate::wire::Ticket;
use std::path::PathBuf;

/// Starts nobody.
pub struct External {
    /// Where the ticket is written.
    ticket: PathBuf,
    /// The ticket that was written there.
    written: Option<Vec<u8>>,
}

impl External {
    /// Workers come with the ticket that will be written to this path.
    pub fn new(ticket: PathBuf) -> Self {
        Self { ticket, written: None }
    }
}

impl Fleet for External {
    async fn start(&mut self, ticket: &Ticket, _roll: &Roll) -> Result<(), FleetError> {
        let failed = |e| FleetError(format!("workers.ticket: {e}"));
        let bytes = ticket.to_json().map_err(failed)?;
        ticket.write(&self.ticket).map_err(failed)?;
        self.written = Some(bytes);
        Ok(())
    }

    async fn keep(&mut self, _roll: &Roll) -> FleetError {
        // Workers may come at any time, so there is always hope.
        std::future::pending().await
    }

    async fn stop(&mut self) -> Vec<String> {
        let Some(ours) = self.written.take() else { return Vec::new() };
        // Another job may have written its own there in the meantime.
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
