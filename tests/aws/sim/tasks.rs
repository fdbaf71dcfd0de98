//! ECS's tasks: where there is room for them, and what becomes of them.

use super::ecs::{Result, check_tags, cluster_arn, text, texts, wrong};
use super::world::{Dead, Host, State, Task, World};
use serde_json::{Value, json};

impl World {
    pub fn run_task(&mut self, body: &Value) -> Result {
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
        if let Some(unknown) = texts(subnets).iter().find(|s| self.rules.unknown.contains(s)) {
            return Err(wrong(&format!(
                "Error retrieving subnet information for [{unknown}]: The subnet ID '{unknown}' does not exist (ErrorCode: \
                 InvalidSubnetID.NotFound)"
            )));
        }
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
            let instead = &body["overrides"]["containerOverrides"][0];
            if instead.is_object() && instead["name"] != container["name"] {
                return Err(wrong("Override for container is not a container in the TaskDefinition."));
            }
            let soft = instead["memoryReservation"].as_i64().or(container["memoryReservation"].as_i64());
            let memory = container["memory"].as_i64().or(soft).unwrap_or(0);
            let wanted = text(&definition["runtimePlatform"]["cpuArchitecture"]).to_ascii_lowercase();
            if !fargate && !self.hosts.iter().any(|h| h.cluster == cluster && self.runs_on(h, &wanted)) {
                failures.push(json!({ "arn": "arn:host", "reason": "ATTRIBUTE" }));
                continue;
            }
            let constraint = text(&body["placementConstraints"][0]["expression"]);
            let host = if fargate { None } else { self.host_with(&cluster, memory, &wanted, &constraint) };
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

    /// Whether the instance has these processors.
    fn runs_on(&self, host: &Host, architecture: &str) -> bool {
        self.instances.iter().any(|i| i.id == host.instance && i.architecture() == architecture)
    }

    /// Whether the instance passes a placement constraint: `attribute:NAME == VALUE`.
    fn passes(&self, host: &Host, constraint: &str) -> bool {
        let Some((name, value)) = constraint.strip_prefix("attribute:").and_then(|c| c.split_once(" == ")) else {
            return constraint.is_empty();
        };
        let script = self.instances.iter().find(|i| i.id == host.instance).map_or("", |i| &i.script);
        let attributes = script.lines().find_map(|l| l.strip_prefix("ECS_INSTANCE_ATTRIBUTES="));
        attributes.is_some_and(|json| serde_json::from_str::<Value>(json).unwrap()[name] == value)
    }

    /// A container instance with such processors and so much memory left: of several the one with the fewest tasks.
    fn host_with(&self, cluster: &str, memory: i64, architecture: &str, constraint: &str) -> Option<String> {
        let used = |host: &Host| -> i64 {
            let on = self.tasks.iter().filter(|t| t.host.as_ref() == Some(&host.arn) && t.state != State::Stopped);
            on.map(|t| t.memory).sum()
        };
        let alive = |host: &Host| self.instances.iter().any(|i| i.id == host.instance && i.ended.is_none());
        let all = self.hosts.iter().filter(|h| h.cluster == cluster && alive(h) && self.runs_on(h, architecture));
        let all = all.filter(|h| self.passes(h, constraint));
        all.filter(|h| used(h) + memory <= self.rules.memory).min_by_key(|h| used(h)).map(|h| h.arn.clone())
    }

    pub fn describe_tasks(&self, body: &Value) -> Result {
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

    pub fn list_tasks(&self, body: &Value) -> Result {
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

    pub fn stop_task(&mut self, body: &Value) -> Result {
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
