//! Instances that have joined the cluster, and how many workers there is room for on them.

use super::instances::registered;
use crate::error::AwsError;
use crate::fleets::clients::Clients;
use crate::fleets::tasks::Room;
use indexmap::IndexMap;

/// MiB of what an instance offers that are left to its system and to ECS's agent, where nobody says how much a worker gets.
const MARGIN: u32 = 256;
/// MiB that ECS reserves at least.
const LEAST: u32 = 6;

/// How workers share the instances.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    /// Workers on each instance, at most: so that they spread, though instances join one after the other.
    pub each: u32,
    /// MiB for each worker, if the job file says it.
    pub reserved: Option<u32>,
}

impl Share {
    /// The place that there is for tasks on instances that offer so many MiB each.
    pub fn room(self, offers: impl Iterator<Item = u32> + Clone) -> Room {
        match self.reserved {
            Some(reserved) => {
                let fit = |offer: u32| offer.checked_div(reserved).unwrap_or(self.each).min(self.each);
                Room { tasks: offers.map(fit).fold(0, u32::saturating_add), memory: None }
            }
            None => {
                let number = offers.clone().fold(0_u32, |n, _| n.saturating_add(1));
                // The same for all, as which instance a task comes to isn't known beforehand.
                let memory = offers.min().map(|least| (least.saturating_sub(MARGIN) / self.each.max(1)).max(LEAST));
                Room { tasks: number.saturating_mul(self.each), memory }
            }
        }
    }

    /// Why workers don't fit on an instance that offers so many MiB.
    pub fn problem(self, offer: u32) -> Option<Problem> {
        let reserved = self.reserved?;
        let fit = offer.checked_div(reserved).unwrap_or(self.each);
        (fit < self.each).then(|| Problem { fit, each: self.each, reserved, offer, most: offer / self.each.max(1) })
    }
}

/// An instance on which not all of its workers fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// Workers that fit, and that there should be.
    pub fit: u32,
    each: u32,
    reserved: u32,
    offer: u32,
    /// The largest `memory_reservation` with which all fit.
    most: u32,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { fit, each, reserved, offer, most } = self;
        let workers = if *each == 1 { "no worker fits".to_owned() } else { format!("{fit} of {each} workers fit") };
        write!(
            f,
            "{workers}: it offers tasks {offer} MiB, and `memory_reservation` is {reserved}; set that to {most} at most, or \
             leave it out, for all that there is"
        )
    }
}

/// MiB that those instances of the cluster offer which have joined it, by their ids.
pub(super) async fn offers(clients: &Clients, cluster: &str) -> Result<IndexMap<String, u32>, AwsError> {
    let all = registered(clients, cluster).await?;
    let known = all.iter().filter_map(|host| {
        let memory = host.registered_resources().iter().find(|resource| resource.name() == Some("MEMORY"))?;
        Some((host.ec2_instance_id()?.to_owned(), u32::try_from(memory.integer_value()).ok()?))
    });
    Ok(known.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_instance_gets_its_share_and_no_more() {
        let room = |each, reserved, offers: &[u32]| {
            let Room { tasks, memory } = Share { each, reserved }.room(offers.iter().copied());
            (tasks, memory)
        };
        assert_eq!(room(3, Some(1000), &[]), (0, None));
        assert_eq!(room(3, Some(1000), &[4000, 4000]), (6, None));
        assert_eq!(room(3, Some(1500), &[4000, 16_000]), (5, None), "two fit on the first");
        assert_eq!(room(1, None, &[]), (0, None));
        assert_eq!(room(1, None, &[15_700, 31_000]), (2, Some(15_444)));
        assert_eq!(room(2, None, &[15_700]), (2, Some(7_722)));
        assert_eq!(room(4, None, &[100]), (4, Some(LEAST)));
        assert_eq!(room(1, Some(0), &[u32::MAX]).0, 1);
        assert_eq!(room(u32::MAX, None, &[1, 1]).0, u32::MAX);
    }

    #[test]
    fn what_does_not_fit_is_said_with_what_would() {
        let problem = |each, reserved, offer| Share { each, reserved: Some(reserved) }.problem(offer);
        assert_eq!(problem(1, 15_700, 15_700), None);
        assert_eq!(Share { each: 9, reserved: None }.problem(100), None);
        let one = problem(1, 16_384, 15_700).unwrap();
        assert_eq!(one.fit, 0);
        assert_eq!(
            one.to_string(),
            "no worker fits: it offers tasks 15700 MiB, and `memory_reservation` is 16384; set that to 15700 at most, or \
             leave it out, for all that there is"
        );
        let some = problem(4, 4_000, 15_700).unwrap();
        assert!(some.to_string().starts_with("3 of 4 workers fit: ") && some.to_string().contains("to 3925 at most"));
    }
}
