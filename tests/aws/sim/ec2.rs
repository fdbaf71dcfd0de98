//! EC2: form queries answered in XML.

use super::Answer;
use super::world::{Instance, State, World, architecture};
use std::collections::BTreeMap;

type Query = BTreeMap<String, String>;

pub fn error(status: u16, code: &str, message: &str) -> Answer {
    let body = format!(
        "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors><RequestID>r</RequestID></Response>"
    );
    Answer { status, kind: "text/xml", body }
}

pub fn action(body: &str) -> String {
    query(body).remove("Action").unwrap_or_default()
}

fn query(body: &str) -> Query {
    let pair = |p: &str| p.split_once('=').map(|(k, v)| (decoded(k), decoded(v)));
    body.split('&').filter_map(pair).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).unwrap()
}

/// The values of `Prefix.1`, `Prefix.2`, …
fn list(query: &Query, prefix: &str) -> Vec<String> {
    (1..).map_while(|n| query.get(&format!("{prefix}.{n}")).cloned()).collect()
}

impl World {
    pub fn ec2(&mut self, action: &str, body: &str) -> Answer {
        let query = query(body);
        let result = match action {
            "RunInstances" => self.run_instances(&query),
            "DescribeImages" => self.describe_images(&query),
            "DescribeInstances" => Ok(self.describe_instances(&query)),
            "TerminateInstances" => self.terminate_instances(&query),
            _ => Err(("InvalidAction", action.to_owned())),
        };
        match result {
            Ok(inner) => {
                let body = format!("<{action}Response><requestId>r</requestId>{inner}</{action}Response>");
                Answer { status: 200, kind: "text/xml", body }
            }
            Err((code, message)) => {
                error(if code == "InsufficientInstanceCapacity" { 500 } else { 400 }, code, &message)
            }
        }
    }

    fn run_instances(&mut self, query: &Query) -> Result<String, (&'static str, String)> {
        let get = |key: &str| query.get(key).cloned().unwrap_or_default();
        let wrong = |m: &str| Err(("InvalidParameterValue", m.to_owned()));
        let (least, most): (usize, usize) = (get("MinCount").parse().unwrap(), get("MaxCount").parse().unwrap());
        let token = get("ClientToken");
        if token.is_empty() || token.len() > 64 {
            return wrong("ClientToken");
        }
        if let Some((asked, made)) = self.tokens.get(&token) {
            if *asked != format!("{query:?}") {
                return Err((
                    "IdempotentParameterMismatch",
                    "The client token was used with other parameters".to_owned(),
                ));
            }
            let again = self.instances.iter().filter(|i| made.contains(&i.id)).map(Instance::xml);
            return Ok(format!("<instancesSet>{}</instancesSet>", again.collect::<String>()));
        }
        if get("InstanceInitiatedShutdownBehavior") != "terminate" {
            return wrong("an instance that shuts down must be terminated");
        }
        if get("IamInstanceProfile.Arn").is_empty() {
            return wrong("without a profile the agent cannot join");
        }
        let kind = get("InstanceType");
        let image = self.architecture_of(&get("ImageId"))?;
        if image != architecture(&kind) {
            return wrong(&format!(
                "The architecture '{}' of the specified instance type does not match the architecture '{image}' of the \
                 specified AMI. Specify an instance type and an AMI that have matching architectures, and try again.",
                architecture(&kind)
            ));
        }
        let (subnet, in_interface) = (get("SubnetId"), get("NetworkInterface.1.SubnetId"));
        if subnet.is_empty() == in_interface.is_empty() {
            return wrong("a subnet, or an interface with one");
        }
        let subnet = format!("{subnet}{in_interface}");
        if self.rules.unknown.contains(&subnet) {
            return Err(("InvalidSubnetID.NotFound", format!("The subnet ID '{subnet}' does not exist")));
        }
        let groups = [list(query, "SecurityGroupId"), list(query, "NetworkInterface.1.SecurityGroupId")].concat();
        if let Some(group) = groups.iter().find(|g| self.rules.unknown.contains(g)) {
            return Err((
                "InvalidGroup.NotFound",
                format!("The security group '{group}' does not exist in VPC 'vpc-1'"),
            ));
        }
        let spot = get("InstanceMarketOptions.MarketType") == "spot";
        if spot && self.rules.new_account {
            return Err((
                "AuthFailure.ServiceLinkedRoleCreationNotPermitted",
                "The provided credentials do not have permission to create the service-linked role for EC2 Spot Instances."
                    .to_owned(),
            ));
        }
        let tags: Vec<_> = (1..)
            .map_while(|n| {
                let tag = format!("TagSpecification.1.Tag.{n}");
                Some((query.get(&format!("{tag}.Key"))?.clone(), query.get(&format!("{tag}.Value"))?.clone()))
            })
            .collect();
        for needed in ["tilefn:job", "tilefn:owner", "tilefn:expires"] {
            if !tags.iter().any(|(k, _)| k == needed) {
                return wrong(&format!("tag {needed} is missing"));
            }
        }
        let room = self.rules.instances.entry((kind.clone(), subnet.clone(), spot)).or_insert(usize::MAX);
        if *room < least {
            return Err((
                "InsufficientInstanceCapacity",
                format!("We currently do not have sufficient {kind} capacity"),
            ));
        }
        let count = most.min(*room);
        *room -= count;
        let script = aws_smithy_types::base64::decode(get("UserData")).unwrap();
        let script = String::from_utf8(script).unwrap();
        let cluster = script.lines().find_map(|l| l.strip_prefix("ECS_CLUSTER=")).unwrap_or_default().to_owned();
        if !script.contains("shutdown -h +") {
            return wrong("no dead-man switch");
        }
        let mut made = Vec::new();
        for _ in 0..count {
            let instance = Instance {
                id: format!("i-{:017x}", self.instances.len()),
                kind: kind.clone(),
                subnet: subnet.clone(),
                spot,
                cluster: cluster.clone(),
                tags: tags.clone(),
                script: script.clone(),
                made: self.now,
                joined: false,
                ended: None,
            };
            made.push(instance.id.clone());
            self.instances.push(instance);
        }
        let xml: String = self.instances.iter().filter(|i| made.contains(&i.id)).map(Instance::xml).collect();
        self.tokens.insert(token, (format!("{query:?}"), made));
        Ok(format!("<instancesSet>{xml}</instancesSet>"))
    }

    /// The processors that a machine image is for.
    fn architecture_of(&self, image: &str) -> Result<&'static str, (&'static str, String)> {
        const NEWEST: &str = "resolve:ssm:/aws/service/ecs/optimized-ami/amazon-linux-2023/";
        match image.strip_prefix(NEWEST) {
            Some("recommended/image_id") => return Ok("x86_64"),
            Some("arm64/recommended/image_id") => return Ok("arm64"),
            _ if !image.starts_with("ami-") => return Err(("InvalidAMIID.Malformed", image.to_owned())),
            _ => {}
        }
        let found = self.rules.images.iter().find(|(id, ..)| *id == image);
        let gone = || ("InvalidAMIID.NotFound", format!("The image id '[{image}]' does not exist"));
        found.map(|(.., architecture)| *architecture).ok_or_else(gone)
    }

    fn describe_images(&self, query: &Query) -> Result<String, (&'static str, String)> {
        let mut items = String::new();
        for id in list(query, "ImageId") {
            let architecture = self.architecture_of(&id)?;
            let name = self.rules.images.iter().find(|(i, ..)| *i == id).unwrap().1;
            items.push_str(&format!(
                "<item><imageId>{id}</imageId><name>{name}</name><architecture>{architecture}</architecture></item>"
            ));
        }
        Ok(format!("<imagesSet>{items}</imagesSet>"))
    }

    fn describe_instances(&self, query: &Query) -> String {
        let filters: Vec<_> = (1..)
            .map_while(|n| {
                Some((query.get(&format!("Filter.{n}.Name"))?.clone(), list(query, &format!("Filter.{n}.Value"))))
            })
            .collect();
        let passes = |instance: &&Instance| {
            filters.iter().all(|(name, values)| match name.as_str() {
                "instance-state-name" => values.iter().any(|v| v == instance.state()),
                "tag-key" => instance.tags.iter().any(|(k, _)| values.contains(k)),
                name => {
                    let key = name.strip_prefix("tag:").unwrap();
                    instance.tags.iter().any(|(k, v)| k == key && values.contains(v))
                }
            })
        };
        let shown = self.instances.iter().filter(|i| self.shows_instance(i.made)).filter(passes).map(Instance::xml);
        let items: String = shown.map(|i| format!("<item><instancesSet>{i}</instancesSet></item>")).collect();
        format!("<reservationSet>{items}</reservationSet>")
    }

    fn terminate_instances(&mut self, query: &Query) -> Result<String, (&'static str, String)> {
        let ids = list(query, "InstanceId");
        if let Some(id) = ids.iter().find(|id| !self.instances.iter().any(|i| i.id == **id)) {
            return Err(("InvalidInstanceID.NotFound", format!("The instance ID '{id}' does not exist")));
        }
        for instance in self.instances.iter_mut().filter(|i| ids.contains(&i.id)) {
            instance.ended.get_or_insert(self.now);
        }
        // The container instance stays registered; its tasks end.
        let hosts: Vec<_> = self.hosts.iter().filter(|h| ids.contains(&h.instance)).map(|h| h.arn.clone()).collect();
        for task in self.tasks.iter_mut().filter(|t| t.host.as_ref().is_some_and(|h| hosts.contains(h))) {
            task.state = State::Stopped;
            task.reason = "Host EC2 (instance) terminated.".to_owned();
        }
        Ok("<instancesSet></instancesSet>".to_owned())
    }
}

impl Instance {
    fn state(&self) -> &'static str {
        match (self.ended, self.joined) {
            (Some(_), _) => "terminated",
            (None, true) => "running",
            (None, false) => "pending",
        }
    }

    fn xml(&self) -> String {
        let tags: String =
            self.tags.iter().map(|(k, v)| format!("<item><key>{k}</key><value>{v}</value></item>")).collect();
        format!(
            "<item><instanceId>{}</instanceId><instanceType>{}</instanceType><subnetId>{}</subnetId>\
             <instanceState><code>16</code><name>{}</name></instanceState><tagSet>{tags}</tagSet></item>",
            self.id,
            self.kind,
            self.subnet,
            self.state()
        )
    }
}
