//! What exists in the simulated AWS, and how it moves with every request.

use super::agent::Agent;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// Requests that it takes a task to get from one state to the next.
const STEP: u64 = 2;
/// Requests until ECS's lists and descriptions show a new task, and StopTask finds it.
const TASK_LAG: u64 = 5;
/// The same for EC2 and an instance.
const INSTANCE_LAG: u64 = 1;
/// Requests from the start of an instance until its agent has joined the cluster.
const BOOT: u64 = 4;

/// How this AWS behaves.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Tasks that Fargate still has room for.
    pub fargate: usize,
    /// The same with Spot.
    pub spot: usize,
    /// Tasks that never get beyond PENDING, by number from 0.
    pub stuck: Vec<usize>,
    /// Tasks that stop before they run, by number, or all.
    pub dead: Dead,
    /// What ECS says about these.
    pub reason: &'static str,
    /// Tasks that run end by themselves, with this exit code.
    pub exit: Option<i32>,
    /// Clusters of others, about which nobody may ask.
    pub foreign: Vec<String>,
    /// Instances of a type in a subnet and whether on Spot that can be had; others without limit.
    pub instances: HashMap<(String, String, bool), usize>,
    /// MiB for tasks on an instance.
    pub memory: i64,
    /// Requests from one instance's joining to the next one's.
    pub apart: u64,
    /// Whether Spot capacity that was granted is taken back before it is of use.
    pub fleeting_spot: bool,
    /// Whether the account has never used Spot, nor ECS's capacity providers: it lacks their roles.
    pub new_account: bool,
    /// Ids of subnets and security groups that don't exist.
    pub unknown: Vec<String>,
    /// Machine images: id, name, processors. Those of ECS that are looked up are besides.
    pub images: Vec<(&'static str, &'static str, &'static str)>,
}

#[derive(Clone, Debug)]
pub enum Dead {
    Some(Vec<usize>),
    All,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            fargate: usize::MAX,
            spot: usize::MAX,
            stuck: Vec::new(),
            dead: Dead::Some(Vec::new()),
            reason: "CannotPullContainerError: pull image manifest: img: not found",
            exit: None,
            foreign: Vec::new(),
            instances: HashMap::new(),
            memory: 4_000,
            apart: 0,
            fleeting_spot: false,
            new_account: false,
            unknown: Vec::new(),
            images: vec![
                ("ami-08b5d886b9289bc63", "al2023-ami-ecs-hvm-2023.0.20250110-kernel-6.1-arm64", "arm64"),
                ("ami-intel", "al2023-ami-ecs-hvm-2023.0.20250110-kernel-6.1-x86_64", "x86_64"),
                ("ami-bottle", "bottlerocket-aws-ecs-2-x86_64-v1.32.0-cacc4ce9", "x86_64"),
            ],
        }
    }
}

/// What a test is told while it happens: a task's ARN.
#[derive(Clone, Debug)]
pub enum Event {
    Running(String),
    Stopped(String),
}

pub struct World {
    pub rules: Rules,
    pub calls: Vec<String>,
    pub now: u64,
    pub clusters: BTreeMap<String, Cluster>,
    pub families: BTreeMap<String, Vec<Revision>>,
    pub tasks: Vec<Task>,
    pub hosts: Vec<Host>,
    pub instances: Vec<Instance>,
    /// Token, then what was asked and what it made.
    pub tokens: HashMap<String, (String, Vec<String>)>,
    pub listener: Option<Box<dyn Fn(Event) + Send>>,
    /// What runs the containers, if they are to be more than names.
    pub agent: Option<Agent>,
}

pub struct Cluster {
    pub active: bool,
    pub providers: Vec<String>,
    pub tags: Value,
}

pub struct Revision {
    pub number: usize,
    pub active: bool,
    pub definition: Value,
    pub tags: Value,
}

pub struct Task {
    pub arn: String,
    pub cluster: String,
    pub started_by: String,
    pub tags: Value,
    pub spot: bool,
    pub memory: i64,
    pub host: Option<String>,
    pub made: u64,
    pub state: State,
    pub code: &'static str,
    pub reason: String,
    pub definition: Value,
    pub exit: Option<i32>,
    /// Fate: never runs, or stops first.
    pub stuck: bool,
    pub dead: bool,
}

impl Task {
    /// Whether ECS shows it.
    pub fn shown(&self, now: u64) -> bool {
        now > self.made + TASK_LAG
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Provisioning,
    Pending,
    Running,
    Stopping { since: u64 },
    Stopped,
}

/// A container instance.
pub struct Host {
    pub arn: String,
    pub cluster: String,
    pub instance: String,
}

pub struct Instance {
    pub id: String,
    pub kind: String,
    pub subnet: String,
    pub spot: bool,
    pub cluster: String,
    pub tags: Vec<(String, String)>,
    /// The script that it runs at its start.
    pub script: String,
    pub made: u64,
    pub joined: bool,
    /// When it was told to end.
    pub ended: Option<u64>,
}

impl Instance {
    /// As ECS and EC2 call its processors.
    pub fn architecture(&self) -> &'static str {
        architecture(&self.kind)
    }
}

/// The processors of an instance type: `g` after the generation is Graviton.
pub fn architecture(kind: &str) -> &'static str {
    let family = kind.split('.').next().unwrap();
    let attributes = family.trim_start_matches(|c: char| c.is_ascii_lowercase());
    if attributes.contains('g') { "arm64" } else { "x86_64" }
}

impl World {
    /// How many tasks there have been on each instance.
    pub fn tasks_on_instances(&self) -> Vec<usize> {
        let on = |task: &Task, id: &str| task.host.as_ref().is_some_and(|host| host.ends_with(id));
        self.instances.iter().map(|i| self.tasks.iter().filter(|t| on(t, &i.id)).count()).collect()
    }

    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            calls: Vec::new(),
            now: 0,
            clusters: BTreeMap::new(),
            families: BTreeMap::new(),
            tasks: Vec::new(),
            hosts: Vec::new(),
            instances: Vec::new(),
            tokens: HashMap::new(),
            listener: None,
            agent: None,
        }
    }

    /// Whether EC2 shows an instance that was started then.
    pub fn shows_instance(&self, made: u64) -> bool {
        self.now > made + INSTANCE_LAG
    }

    /// A cluster that is there before the job.
    pub fn existing_cluster(&mut self, name: &str, providers: &[&str]) {
        let providers = providers.iter().map(|p| (*p).to_owned()).collect();
        self.clusters.insert(name.to_owned(), Cluster { active: true, providers, tags: Value::Array(vec![]) });
    }

    /// An instance in a cluster that is there before the job, with much memory left.
    pub fn existing_instance(&mut self, cluster: &str) {
        let arn = format!("arn:aws:ecs:eu-west-1:1:container-instance/{cluster}/i-other");
        self.hosts.push(Host { arn, cluster: cluster.to_owned(), instance: "i-other".to_owned() });
        self.instances.push(Instance {
            id: "i-other".to_owned(),
            kind: "c7i.large".to_owned(),
            subnet: "subnet-a".to_owned(),
            spot: false,
            cluster: cluster.to_owned(),
            tags: Vec::new(),
            script: String::new(),
            made: 0,
            joined: true,
            ended: None,
        });
    }

    /// AWS ends a task, whose worker leaves at once.
    pub fn end_task(&mut self, arn: &str, code: &'static str, reason: &str) {
        let now = self.now;
        let task = self.tasks.iter_mut().find(|t| t.arn == arn).unwrap();
        (task.state, task.code, task.reason) = (State::Stopping { since: now }, code, reason.to_owned());
        if let Some(listener) = &self.listener {
            listener(Event::Stopped(arn.to_owned()));
        }
    }

    /// One step of everything.
    pub fn step(&mut self) {
        self.now += 1;
        let now = self.now;
        let mut events = Vec::new();
        for (number, instance) in (0..).zip(&mut self.instances) {
            let up = instance.ended.is_none() && now > instance.made + BOOT;
            if up && instance.spot && self.rules.fleeting_spot {
                instance.ended = Some(now);
            } else if up && !instance.joined && now > instance.made + BOOT + number * self.rules.apart {
                instance.joined = true;
                let arn = format!("arn:aws:ecs:eu-west-1:1:container-instance/{}/{}", instance.cluster, instance.id);
                if self.clusters.get(&instance.cluster).is_some_and(|c| c.active) {
                    self.hosts.push(Host { arn, cluster: instance.cluster.clone(), instance: instance.id.clone() });
                }
            }
        }
        for task in &mut self.tasks {
            let age = now - task.made;
            match task.state {
                State::Provisioning if age > STEP => task.state = State::Pending,
                State::Pending if age > 2 * STEP && task.spot && self.rules.fleeting_spot => {
                    task.state = State::Stopped;
                    task.code = "TaskFailedToStart";
                    task.reason = "Capacity is unavailable at this time. Please try again later or in a different \
                                   availability zone"
                        .to_owned();
                }
                State::Pending if age > 2 * STEP && task.dead => {
                    task.state = State::Stopped;
                    task.code = "TaskFailedToStart";
                    task.reason = self.rules.reason.to_owned();
                }
                State::Pending if age > 2 * STEP && !task.stuck => {
                    task.state = State::Running;
                    if let Some(agent) = &mut self.agent {
                        agent.start(&task.arn, &task.definition);
                    }
                    events.push(Event::Running(task.arn.clone()));
                }
                State::Running if let Some(exit) = self.agent.as_mut().and_then(|a| a.ended(&task.arn)) => {
                    (task.state, task.exit, task.code) = (State::Stopped, Some(exit), "EssentialContainerExited");
                    task.reason = "Essential container in task exited".to_owned();
                    events.push(Event::Stopped(task.arn.clone()));
                }
                State::Running if self.rules.exit.is_some() && self.agent.is_none() => {
                    (task.state, task.exit, task.code) = (State::Stopped, self.rules.exit, "EssentialContainerExited");
                    task.reason = "Essential container in task exited".to_owned();
                    events.push(Event::Stopped(task.arn.clone()));
                }
                State::Stopping { since } if now > since + STEP => {
                    if let Some(agent) = self.agent.as_mut().filter(|a| a.processes.contains_key(&task.arn)) {
                        task.exit = agent.ended(&task.arn);
                        if task.exit.is_none() {
                            agent.stop(&task.arn);
                            continue;
                        }
                    }
                    task.state = State::Stopped;
                    events.push(Event::Stopped(task.arn.clone()));
                }
                _ => {}
            }
        }
        if let Some(listener) = &self.listener {
            events.into_iter().for_each(listener);
        }
    }

    /// Everything that costs money or clutters the account, whoever made it.
    pub fn inventory(&self) -> Vec<String> {
        let clusters = self
            .clusters
            .iter()
            .filter(|(n, c)| c.active && n.starts_with("tilefn-"))
            .map(|(n, _)| format!("cluster {n}"));
        let tasks =
            self.tasks.iter().filter(|t| t.state != State::Stopped && !matches!(t.state, State::Stopping { .. }));
        let tasks = tasks.map(|t| format!("task {} ({:?})", t.arn, t.state));
        let revisions = self
            .families
            .iter()
            .flat_map(|(f, all)| all.iter().map(move |r| format!("task definition {f}:{}", r.number)));
        let hosts = self.hosts.iter().map(|h| format!("container instance {}", h.arn));
        let instances = self.instances.iter().filter(|i| i.ended.is_none()).map(|i| format!("instance {}", i.id));
        clusters.chain(tasks).chain(revisions).chain(hosts).chain(instances).collect()
    }
}
