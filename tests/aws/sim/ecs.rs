//! ECS: JSON 1.1 over HTTP.

use super::Answer;
use super::world::{Cluster, Revision, State, Task, World};
use serde_json::{Value, json};

pub type Result = std::result::Result<Value, (&'static str, String)>;

pub fn error(status: u16, code: &str, message: &str) -> Answer {
    let body = json!({ "__type": code, "message": message }).to_string();
    Answer { status, kind: "application/x-amz-json-1.1", body }
}

pub fn wrong(message: &str) -> (&'static str, String) {
    ("InvalidParameterException", message.to_owned())
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}

/// The name in a name or ARN.
pub fn short(name: &str) -> &str {
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
                let memory = json!({ "name": "MEMORY", "type": "INTEGER", "integerValue": self.rules.memory });
                let cpu = json!({ "name": "CPU", "type": "INTEGER", "integerValue": 2048 });
                let all = all.map(|h| {
                    json!({ "containerInstanceArn": h.arn, "ec2InstanceId": h.instance, "status": "ACTIVE",
                            "registeredResources": [cpu, memory] })
                });
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
    pub fn cluster(&self, body: &Value) -> std::result::Result<String, (&'static str, String)> {
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
        if self.rules.new_account && !texts(&body["capacityProviders"]).is_empty() {
            return Err(wrong(
                "Unable to assume the service linked role. Please verify that the ECS service linked role exists.",
            ));
        }
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
    pub fn revision(&mut self, name: &str) -> Option<(String, &mut Revision)> {
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

pub fn cluster_arn(name: &str) -> String {
    format!("arn:aws:ecs:eu-west-1:1:cluster/{name}")
}

pub fn definition_arn(family: &str, number: usize) -> String {
    format!("arn:aws:ecs:eu-west-1:1:task-definition/{family}:{number}")
}

/// Every resource that tilefn makes must carry its three tags.
pub fn check_tags(tags: &Value) -> std::result::Result<(), (&'static str, String)> {
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
