//! Asking ECS for tasks, batch by batch, and sorting its refusals.

use super::{Member, Tasks};
use crate::error::{AwsError, Cause};
use crate::fleets::backoff::Step;
use crate::fleets::request::{self, BATCH, Batch, TaskSettings};
use job::spec::Spot;
use tokio::time::Instant;

impl Tasks {
    /// Asks for `missing` more tasks, until AWS refuses.
    pub(super) async fn ask_for(&mut self, missing: u32, memory: Option<u32>) {
        let mut missing = missing;
        let spot = self.kind.ecs().spot;
        let rests = self.trouble.on_demand_until.is_some_and(|until| Instant::now() < until);
        let mut on_demand =
            !matches!(self.kind, TaskSettings::Fargate(_)) || spot == Spot::Never || (spot == Spot::Prefer && rests);
        while missing > 0 {
            let batch = self.batch.take().unwrap_or_else(|| {
                self.sent += 1;
                Batch {
                    token: format!("tilefn-{:016x}-{}", self.nonce, self.sent),
                    count: missing.min(BATCH),
                    spot: !on_demand,
                    memory,
                }
            });
            self.batch = Some(batch.clone());
            self.ledger.unanswered = Some(Instant::now());
            let (started, refusal) = self.run(&batch).await;
            missing = missing.saturating_sub(started);
            let Some(refusal) = refusal else {
                self.trouble.refusals = 0;
                continue;
            };
            if batch.spot && spot == Spot::Prefer && matches!(refusal.cause, Cause::Capacity | Cause::Refused) {
                tracing::info!("{refusal}; on-demand instead");
                on_demand = true;
                continue;
            }
            tracing::warn!("{refusal}");
            self.trouble.fatal = match refusal.cause {
                Cause::Throttled | Cause::Unclear | Cause::Capacity => false,
                Cause::Gone => !self.is_made_for_the_job(&refusal),
                _ => true,
            };
            self.trouble.last = Some(refusal.to_string());
            self.trouble.refusals = self.trouble.refusals.saturating_add(1);
            self.wait_a_while(self.trouble.refusals);
            return;
        }
        self.trouble.fatal = false;
    }

    /// Whether what AWS doesn't find may be something that the job has just made: its own lists lag behind.
    fn is_made_for_the_job(&self, refusal: &AwsError) -> bool {
        let ours = self.ledger.cluster.as_ref().is_some_and(|cluster| cluster.ours);
        let names = |text: &str| refusal.said.to_ascii_lowercase().contains(text);
        !names("subnet") && !names("security group") && (ours || !names("cluster"))
    }

    /// Sends one request. Returns how many tasks that started, and why not the rest.
    async fn run(&mut self, batch: &Batch) -> (u32, Option<AwsError>) {
        let Some(cluster) = self.ledger.cluster.clone() else { return (0, None) };
        let kind = if batch.spot { " on Spot capacity" } else { "" };
        let doing = format!("start {} worker tasks{kind}", batch.count);
        let (asked, step) = (Instant::now(), Step::begin());
        let request = request::run_task(&self.kind, &self.common, &cluster.name, batch);
        let answer = match request.send_with(&self.clients.ecs).await.map_err(|e| AwsError::of(&doing, e)) {
            Ok(answer) => answer,
            Err(e) => {
                if e.cause != Cause::Unclear && e.cause != Cause::Throttled {
                    self.batch = None;
                    self.ledger.unanswered = None;
                }
                return (0, Some(e));
            }
        };
        self.batch = None;
        self.ledger.unanswered = None;
        self.ledger.accepted = Some(asked);
        let member = Member { asked, status: String::new(), seen: asked, connected: false, spot: batch.spot };
        for arn in answer.tasks().iter().filter_map(|t| t.task_arn.clone()) {
            self.ledger.tasks.insert(arn.clone());
            if self.tasks.insert(arn, member.clone()).is_none() {
                self.usage.tasks += 1;
            }
        }
        let started = u32::try_from(answer.tasks().len()).unwrap_or(u32::MAX);
        if started > 0 {
            step.done(format_args!("{started} worker tasks accepted{kind}, {} in all", self.tasks.len()));
        }
        let refusal = answer.failures().first().map(|failure| {
            let (reason, detail) = (failure.reason().unwrap_or_default(), failure.detail().unwrap_or_default());
            let colon = if detail.is_empty() { "" } else { ": " };
            AwsError { doing, cause: Cause::of_failure(reason, detail), said: format!("{reason}{colon}{detail}") }
        });
        // Fewer than asked for without a reason: those missing are asked for again by the next round.
        let short = (started < batch.count && refusal.is_none()).then(|| AwsError {
            doing: format!("start {} worker tasks{kind}", batch.count),
            cause: Cause::Capacity,
            said: format!("AWS started {started}"),
        });
        (started, refusal.or(short))
    }
}
