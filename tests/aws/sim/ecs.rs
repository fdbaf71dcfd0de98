//! ECS: JSON 1.1 over HTTP.

use super::Answer;
use super::world::{Cluster, Dead, Host, Revision, State, Task, World};
use serde_json::{Value, json};

type Result = std::result::Result<Value, (&'static str, String)>;

pub fn error(status: u16, code: &str, message: &str) -> Answer {
    let body = json!({ "__type": code, "message": message }).to_string();
    Answer { status, kind: "application/x-amz-json-1.1", body }
}

fn wrong(message: &str) -> (&'static str, String) {
    ("InvalidParameterException", message.to_owned())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}

/// The name in a name or ARN.
fn short(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

impl World {
    pub fn ecs(&mut self, action: &str, body: &str) -> Answer {
        let body: Value = serde_json::from_str(body).unwrap();
        let result = match action {
            "CreateCluster" => self.create_cluster(&body),
            "DescribeClusters" => {
                match texts(&body["clusters"]).iter().find(|c| self.rules.foreign.iter().any(|f| f == short(c))) {
                    Some(foreign) => Err((
                        "AccessDeniedException",
                        format!("User is not authorized to perform: ecs:DescribeClusters on resource: {foreign}"),
                    )),
                    None => Ok(self.describe_clusters(&body)),
                }
            }
            "ListClusters" => {
                let active = self.clusters.iter().filter(|(_, c)| c.active).map(|(n, _)| cluster_arn(n));
                Ok(json!({ "clusterArns": active.collect::<Vec<_>>() }))
            }
            "DeleteCluster" => self.delete_cluster(&body),
            "RegisterTaskDefinition" => self.register(&body),
            "DescribeTaskDefinition" => self.describe_definition(&body),
            "ListTaskDefinitions" => Ok(self.list_definitions(&body)),
            "ListTaskDefinitionFamilies" => {
                let prefix = text(&body["familyPrefix"]);
                let all = self.families.iter().filter(|(f, r)| f.starts_with(&prefix) && !r.is_empty()).map(|(f, _)| f);
                Ok(json!({ "families": all.collect::<Vec<_>>() }))
            }
            "DeregisterTaskDefinition" => self.deregister_definition(&body),
            "DeleteTaskDefinitions" => self.delete_definitions(&body),
            "RunTask" => self.run_task(&body),
            "DescribeTasks" => self.describe_tasks(&body),
            "ListTasks" => self.list_tasks(&body),
            "StopTask" => self.stop_task(&body),
            "ListContainerInstances" => self.cluster(&body).map(|name| {
                let arns: Vec<_> = self.hosts.iter().filter(|h| h.cluster == name).map(|h| &h.arn).collect();
                json!({ "containerInstanceArns": arns })
            }),
            "DescribeContainerInstances" => {
                let wanted = texts(&body["containerInstances"]);
                let all = self.hosts.iter().filter(|h| wanted.contains(&h.arn));
                let all = all
                    .map(|h| json!({ "containerInstanceArn": h.arn, "ec2InstanceId": h.instance, "status": "ACTIVE" }));
                Ok(json!({ "containerInstances": all.collect::<Vec<_>>() }))
            }
            "GetLogEvents" => self.log_events(&body),
            "DeregisterContainerInstance" => self.deregister_host(&body),
            _ => Err(("UnknownOperationException", action.to_owned())),
        };
        match result {
            Ok(body) => Answer { status: 200, kind: "application/x-amz-json-1.1", body: body.to_string() },
            Err((code, message)) => error(400, code, &message),
        }
    }

    /// The name of the active cluster that a request means.
    fn cluster(&self, body: &Value) -> std::result::Result<String, (&'static str, String)> {
        let name = text(&body["cluster"]);
        let name = short(&name);
        if self.clusters.get(name).is_some_and(|c| c.active) {
            Ok(name.to_owned())
        } else {
            Err(("ClusterNotFoundException", "Cluster not found.".to_owned()))
        }
    }

    fn create_cluster(&mut self, body: &Value) -> Result {
        let name = text(&body["clusterName"]);
        check_tags(&body["tags"])?;
        let made = Cluster { active: true, providers: texts(&body["capacityProviders"]), tags: body["tags"].clone() };
        // Making one that is there returns it.
        if !self.clusters.get(&name).is_some_and(|c| c.active) {
            self.clusters.insert(name.clone(), made);
        }
        Ok(json!({ "cluster": { "clusterName": name, "clusterArn": cluster_arn(&name), "status": "ACTIVE" } }))
    }

    fn describe_clusters(&self, body: &Value) -> Value {
        let mut found = Vec::new();
        let mut failures = Vec::new();
        for wanted in texts(&body["clusters"]) {
            let name = short(&wanted);
            let Some(cluster) = self.clusters.get(name) else {
                failures.push(json!({ "arn": wanted, "reason": "MISSING" }));
                continue;
            };
            let hosts = self.hosts.iter().filter(|h| h.cluster == name).count();
            let tags =
                if texts(&body["include"]).contains(&"TAGS".to_owned()) { cluster.tags.clone() } else { json!([]) };
            found.push(json!({
                "clusterName": name, "clusterArn": cluster_arn(name), "tags": tags,
                "status": if cluster.active { "ACTIVE" } else { "INACTIVE" },
                "registeredContainerInstancesCount": hosts,
            }));
        }
        json!({ "clusters": found, "failures": failures })
    }

    fn delete_cluster(&mut self, body: &Value) -> Result {
        let name = self.cluster(body)?;
        if self.hosts.iter().any(|h| h.cluster == name) {
            return Err((
                "ClusterContainsContainerInstancesException",
                "The Cluster cannot be deleted while Container Instances are active or draining.".into(),
            ));
        }
        if self.tasks.iter().any(|t| t.cluster == name && t.state != State::Stopped) {
            return Err((
                "ClusterContainsTasksException",
                "The Cluster cannot be deleted while Tasks are active.".into(),
            ));
        }
        self.clusters.get_mut(&name).unwrap().active = false;
        Ok(json!({ "cluster": { "clusterName": name, "status": "INACTIVE" } }))
    }

    fn register(&mut self, body: &Value) -> Result {
        check_tags(&body["tags"])?;
        let client = |m: &str| Err(("ClientException", m.to_owned()));
        let container = &body["containerDefinitions"][0];
        if texts(&body["requiresCompatibilities"]).contains(&"FARGATE".to_owned()) {
            if body["networkMode"] != "awsvpc" {
                return client("Fargate only supports network mode 'awsvpc'.");
            }
            let (cpu, memory) = (text(&body["cpu"]), text(&body["memory"]));
            if !is_fargate_size(cpu.parse().unwrap_or(0), memory.parse().unwrap_or(0)) {
                return client("No Fargate configuration exists for given values.");
            }
            if container["logConfiguration"].is_object() && body["executionRoleArn"].is_null() {
                return client(
                    "Fargate requires task definition to have execution role ARN to support log driver awslogs.",
                );
            }
        } else if container["memory"].is_null() && container["memoryReservation"].is_null() {
            return client(
                "Invalid setting for container 'worker'. At least one of 'memory' or 'memoryReservation' must be specified.",
            );
        }
        if container["stopTimeout"].as_i64().is_some_and(|s| !(2..=120).contains(&s)) {
            return client("stopTimeout must be between 2 and 120");
        }
        let family = text(&body["family"]);
        let revisions = self.families.entry(family.clone()).or_default();
        let number = revisions.iter().map(|r| r.number).max().unwrap_or(0) + 1;
        revisions.push(Revision { number, active: true, definition: body.clone(), tags: body["tags"].clone() });
        let arn = definition_arn(&family, number);
        Ok(
            json!({ "taskDefinition": { "taskDefinitionArn": arn, "family": family, "revision": number, "status": "ACTIVE" } }),
        )
    }

    /// A revision by ARN, `family:revision` or, the latest active one, `family`.
    fn revision(&mut self, name: &str) -> Option<(String, &mut Revision)> {
        let name = short(name);
        let (family, number) = match name.rsplit_once(':') {
            Some((family, number)) => (family, number.parse::<usize>().ok()),
            None => (name, None),
        };
        let revisions = self.families.get_mut(family)?;
        let found = revisions.iter_mut().rev().find(|r| number.map_or(r.active, |n| n == r.number))?;
        Some((family.to_owned(), found))
    }

    fn describe_definition(&mut self, body: &Value) -> Result {
        let found = self.revision(&text(&body["taskDefinition"]));
        let (family, revision) = found.ok_or(("ClientException", "Unable to describe task definition.".to_owned()))?;
        let arn = definition_arn(&family, revision.number);
        Ok(json!({ "taskDefinition": { "taskDefinitionArn": arn, "family": family }, "tags": revision.tags }))
    }

    fn list_definitions(&self, body: &Value) -> Value {
        let active = body["status"] != "INACTIVE";
        let family = text(&body["familyPrefix"]);
        let all = self.families.get(&family).into_iter().flatten().filter(|r| r.active == active);
        json!({ "taskDefinitionArns": all.map(|r| definition_arn(&family, r.number)).collect::<Vec<_>>() })
    }

    fn deregister_definition(&mut self, body: &Value) -> Result {
        let found = self.revision(&text(&body["taskDefinition"]));
        let (_, revision) =
            found.ok_or(("ClientException", "The specified task definition does not exist.".to_owned()))?;
        revision.active = false;
        Ok(json!({ "taskDefinition": { "status": "INACTIVE" } }))
    }

    fn delete_definitions(&mut self, body: &Value) -> Result {
        let wanted = texts(&body["taskDefinitions"]);
        if wanted.len() > 10 {
            return Err(wrong("at most 10 task definitions"));
        }
        let mut failures = Vec::new();
        for name in wanted {
            match self.revision(&name) {
                Some((_, revision)) if revision.active => {
                    failures.push(json!({ "arn": name, "reason": "The specified task definition is still in ACTIVE status. Please deregister the target and try again." }));
                }
                Some((family, revision)) => {
                    let number = revision.number;
                    self.families.get_mut(&family).unwrap().retain(|r| r.number != number);
                }
                None => failures.push(json!({ "arn": name, "reason": "MISSING" })),
            }
        }
        Ok(json!({ "failures": failures }))
    }

    fn run_task(&mut self, body: &Value) -> Result {
        let cluster = self.cluster(body)?;
        let count = body["count"].as_i64().unwrap_or(1);
        if !(1..=10).contains(&count) {
            return Err(wrong("count should be between 1 and 10."));
        }
        check_tags(&body["tags"])?;
        let started_by = text(&body["startedBy"]);
        if started_by.len() > 128 || !started_by.chars().all(|c| c.is_ascii_alphanumeric() || "-/_".contains(c)) {
            return Err(wrong("startedBy has invalid characters"));
        }
        let token = text(&body["clientToken"]);
        if token.len() > 64 {
            return Err(wrong("clientToken is too long"));
        }
        if let Some((asked, made)) = self.tokens.get(&token) {
            let body = body.to_string();
            if *asked != body {
                return Err(("ConflictException", "The client token was used with other parameters".to_owned()));
            }
            let again: Vec<_> = self.tasks.iter().filter(|t| made.contains(&t.arn)).map(Task::json).collect();
            return Ok(json!({ "tasks": again, "failures": [] }));
        }
        let definition = self.revision(&text(&body["taskDefinition"])).filter(|(_, r)| r.active);
        let definition =
            definition.ok_or(("ClientException", "TaskDefinition is inactive".to_owned()))?.1.definition.clone();
        let providers: Vec<_> = body["capacityProviderStrategy"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|p| text(&p["capacityProvider"]))
            .collect();
        if !providers.is_empty() && !body["launchType"].is_null() {
            return Err(wrong("Specifying both a launch type and capacity provider strategy is not supported."));
        }
        if let Some(unknown) = providers.iter().find(|p| !self.clusters[&cluster].providers.contains(p)) {
            return Err(wrong(&format!("The specified capacity provider '{unknown}' was not found.")));
        }
        let spot = providers == ["FARGATE_SPOT"];
        let fargate = spot || body["launchType"] == "FARGATE";
        let subnets = &body["networkConfiguration"]["awsvpcConfiguration"]["subnets"];
        if definition["networkMode"] == "awsvpc" && texts(subnets).is_empty() {
            return Err(wrong("Network Configuration must be provided when networkMode 'awsvpc' is specified."));
        }
        if definition["networkMode"] != "awsvpc" && !body["networkConfiguration"].is_null() {
            return Err(wrong("Network Configuration is not valid for the given networkMode of this task definition."));
        }
        if !fargate && body["platformVersion"].is_string() {
            return Err(wrong("The platform version must be null when specifying an EC2 launch type."));
        }
        if !fargate && !self.hosts.iter().any(|h| h.cluster == cluster) {
            return Err(wrong("No Container Instances were found in your cluster."));
        }
        let (mut made, mut failures) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let container = &definition["containerDefinitions"][0];
            let memory = container["memory"].as_i64().or(container["memoryReservation"].as_i64()).unwrap_or(0);
            let host = if fargate { None } else { self.host_with(&cluster, memory) };
            let room = if spot { &mut self.rules.spot } else { &mut self.rules.fargate };
            if fargate && *room == 0 {
                failures.push(json!({ "reason": "Capacity is unavailable at this time. Please try again later or in a different availability zone" }));
                continue;
            }
            if fargate {
                *room = room.saturating_sub(1);
            } else if host.is_none() {
                failures.push(json!({ "arn": "arn:host", "reason": "RESOURCE:MEMORY" }));
                continue;
            }
            let number = self.tasks.len();
            let task = Task {
                arn: format!("arn:aws:ecs:eu-west-1:1:task/{cluster}/{number:032}"),
                cluster: cluster.clone(),
                started_by: started_by.clone(),
                tags: body["tags"].clone(),
                spot,
                memory,
                host,
                made: self.now,
                state: State::Provisioning,
                code: "",
                reason: String::new(),
                definition: definition.clone(),
                exit: None,
                stuck: self.rules.stuck.contains(&number),
                dead: match &self.rules.dead {
                    Dead::All => true,
                    Dead::Some(some) => some.contains(&number),
                },
            };
            made.push(task.json());
            self.tasks.push(task);
        }
        let arns = made.iter().map(|t| text(&t["taskArn"])).collect();
        self.tokens.insert(token, (body.to_string(), arns));
        Ok(json!({ "tasks": made, "failures": failures }))
    }

    /// A container instance with so much memory left.
    fn host_with(&self, cluster: &str, memory: i64) -> Option<String> {
        let used = |host: &Host| -> i64 {
            let on = self.tasks.iter().filter(|t| t.host.as_ref() == Some(&host.arn) && t.state != State::Stopped);
            on.map(|t| t.memory).sum()
        };
        let alive = |host: &Host| self.instances.iter().any(|i| i.id == host.instance && i.ended.is_none());
        let all = self.hosts.iter().filter(|h| h.cluster == cluster && alive(h));
        all.filter(|h| used(h) + memory <= self.rules.memory).min_by_key(|h| used(h)).map(|h| h.arn.clone())
    }

    fn describe_tasks(&self, body: &Value) -> Result {
        let cluster = self.cluster(body)?;
        let wanted = texts(&body["tasks"]);
        if wanted.is_empty() || wanted.len() > 100 {
            return Err(wrong("Tasks must have 1 to 100 entries."));
        }
        let with_tags = texts(&body["include"]).contains(&"TAGS".to_owned());
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        for arn in wanted {
            match self.tasks.iter().find(|t| t.arn == arn && t.cluster == cluster && t.shown(self.now)) {
                Some(task) => {
                    let mut json = task.json();
                    // Stopping a task deletes its tags.
                    if with_tags && !matches!(task.state, State::Stopping { .. } | State::Stopped) {
                        json["tags"] = task.tags.clone();
                    }
                    found.push(json);
                }
                None => failures.push(json!({ "arn": arn, "reason": "MISSING" })),
            }
        }
        Ok(json!({ "tasks": found, "failures": failures }))
    }

    fn list_tasks(&self, body: &Value) -> Result {
        let cluster = self.cluster(body)?;
        let started_by = body["startedBy"].as_str();
        if started_by.is_some()
            && ["family", "serviceName", "desiredStatus", "launchType"].iter().any(|f| !body[*f].is_null())
        {
            return Err(wrong("startedBy must be the only filter"));
        }
        let runs = |t: &&Task| !matches!(t.state, State::Stopping { .. } | State::Stopped);
        let all = self.tasks.iter().filter(|t| t.cluster == cluster && t.shown(self.now)).filter(runs);
        let all: Vec<_> = all.filter(|t| started_by.is_none_or(|s| s == t.started_by)).map(|t| t.arn.clone()).collect();
        let from = body["nextToken"].as_str().and_then(|t| t.parse::<usize>().ok()).unwrap_or(0);
        let page: Vec<_> = all.iter().skip(from).take(100).collect();
        let next = (from + 100 < all.len()).then(|| (from + 100).to_string());
        Ok(json!({ "taskArns": page, "nextToken": next }))
    }

    fn stop_task(&mut self, body: &Value) -> Result {
        let cluster = self.cluster(body)?;
        let arn = text(&body["task"]);
        let now = self.now;
        let found = self.tasks.iter_mut().find(|t| t.arn == arn && t.cluster == cluster && t.shown(now));
        let task = found.ok_or_else(|| wrong("The referenced task was not found."))?;
        if !matches!(task.state, State::Stopping { .. } | State::Stopped) {
            (task.state, task.code, task.reason) =
                (State::Stopping { since: now }, "UserInitiated", text(&body["reason"]));
        }
        Ok(json!({ "task": task.json() }))
    }

    /// CloudWatch's: all lines at once, then the end.
    fn log_events(&self, body: &Value) -> Result {
        let (group, stream) = (text(&body["logGroupName"]), text(&body["logStreamName"]));
        let task = self.tasks.iter().find(|t| {
            let container = &t.definition["containerDefinitions"][0];
            let options = &container["logConfiguration"]["options"];
            let prefix = format!("{}/{}", text(&options["awslogs-stream-prefix"]), text(&container["name"]));
            options["awslogs-group"] == group && stream == format!("{prefix}/{}", short(&t.arn))
        });
        let gone = || ("ResourceNotFoundException", "The specified log stream does not exist.".to_owned());
        let number = super::agent::number(&task.ok_or_else(gone)?.arn);
        let log = std::fs::read_to_string(self.agent.as_ref().ok_or_else(gone)?.log(number)).map_err(|_| gone())?;
        let lines = log.lines().map(|line| json!({ "timestamp": 0, "message": line, "ingestionTime": 0 }));
        let mut lines: Vec<_> = if body["nextToken"].is_null() { lines.collect() } else { Vec::new() };
        let most = usize::try_from(body["limit"].as_u64().unwrap_or(10_000)).unwrap();
        if body["startFromHead"] == true {
            lines.truncate(most);
        } else {
            lines.drain(..lines.len().saturating_sub(most));
        }
        Ok(json!({ "events": lines, "nextForwardToken": "f/1", "nextBackwardToken": "b/1" }))
    }

    fn deregister_host(&mut self, body: &Value) -> Result {
        let cluster = self.cluster(body)?;
        let arn = text(&body["containerInstance"]);
        let Some(at) = self.hosts.iter().position(|h| h.arn == arn && h.cluster == cluster) else {
            return Err(wrong("Referenced container instance was not found."));
        };
        let runs = |t: &Task| t.host.as_ref() == Some(&arn) && t.state != State::Stopped;
        if body["force"] != true && self.tasks.iter().any(runs) {
            return Err(wrong("Found running tasks on the instance."));
        }
        for task in self.tasks.iter_mut().filter(|t| t.host.as_ref() == Some(&arn)) {
            task.state = State::Stopped;
        }
        self.hosts.remove(at);
        Ok(json!({ "containerInstance": { "status": "INACTIVE" } }))
    }
}

impl Task {
    fn json(&self) -> Value {
        let last = match self.state {
            State::Provisioning => "PROVISIONING",
            State::Pending => "PENDING",
            State::Running => "RUNNING",
            State::Stopping { .. } => "STOPPING",
            State::Stopped => "STOPPED",
        };
        let ends = matches!(self.state, State::Stopping { .. } | State::Stopped);
        let mut json = json!({
            "taskArn": self.arn, "clusterArn": cluster_arn(&self.cluster), "lastStatus": last,
            "desiredStatus": if ends { "STOPPED" } else { "RUNNING" }, "startedBy": self.started_by,
            "containers": [{ "name": "worker" }],
        });
        if let Some(exit) = self.exit {
            json["containers"][0]["exitCode"] = exit.into();
        }
        if ends {
            json["stopCode"] = self.code.into();
            json["stoppedReason"] = self.reason.clone().into();
        }
        json
    }
}

fn cluster_arn(name: &str) -> String {
    format!("arn:aws:ecs:eu-west-1:1:cluster/{name}")
}

fn definition_arn(family: &str, number: usize) -> String {
    format!("arn:aws:ecs:eu-west-1:1:task-definition/{family}:{number}")
}

/// Every resource that tilefn makes must carry its three tags.
fn check_tags(tags: &Value) -> std::result::Result<(), (&'static str, String)> {
    let keys: Vec<_> = tags.as_array().into_iter().flatten().map(|t| text(&t["key"])).collect();
    for needed in ["tilefn:job", "tilefn:owner", "tilefn:expires"] {
        if !keys.iter().any(|k| k == needed) {
            return Err(wrong(&format!("tag {needed} is missing")));
        }
    }
    if keys.len() > 50 { Err(wrong("more than 50 tags")) } else { Ok(()) }
}

/// The table of the ECS developer guide, written out again here: MiB by CPU units.
fn is_fargate_size(cpu: u32, memory: u32) -> bool {
    let gb: Vec<u32> = match cpu {
        256 => return [512, 1024, 2048].contains(&memory),
        512 => (1..=4).collect(),
        1024 => (2..=8).collect(),
        2048 => (4..=16).collect(),
        4096 => (8..=30).collect(),
        8192 => (16..=60).step_by(4).collect(),
        16384 => (32..=120).step_by(8).collect(),
        _ => return false,
    };
    gb.iter().any(|g| g * 1024 == memory)
}
