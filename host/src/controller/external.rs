//! Workers that somebody else starts: the ticket is written, the command shown, and whoever comes with it works.

use super::fleet::{Fleet, FleetError, Roll};
use crate::wire::Ticket;
use std::path::PathBuf;

/// Starts nobody.
pub struct External {
    /// Where the ticket is written.
    pub ticket: PathBuf,
}

impl Fleet for External {
    async fn start(&mut self, ticket: &Ticket, _roll: &Roll) -> Result<(), FleetError> {
        ticket.write(&self.ticket).map_err(|e| FleetError(format!("workers.ticket: {e}")))
    }

    async fn keep(&mut self, _roll: &Roll) -> FleetError {
        // Workers may come at any time, so there is always hope.
        std::future::pending().await
    }

    async fn stop(&mut self) -> Vec<String> {
        match std::fs::remove_file(&self.ticket) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                vec![format!("the ticket {} could not be removed: {e}", self.ticket.display())]
            }
            _ => Vec::new(),
        }
    }
}
