//! What docker/aws/controller-policy.json allows and what it doesn't, judged as IAM does, and that the template's copy is the same.

use crate::support::ROOT;
use serde_json::{Value, json};
use std::process::Command;

fn policy() -> Value {
    let text = std::fs::read_to_string(format!("{ROOT}/docker/aws/controller-policy.json")).unwrap();
    serde_json::from_str(&text.replace("REGION", "eu-west-1").replace("ACCOUNT", "1")).unwrap()
}

fn several(value: &Value) -> Vec<String> {
    match value {
        Value::Array(all) => all.iter().map(|v| v.as_str().unwrap().to_owned()).collect(),
        one => vec![one.as_str().unwrap().to_owned()],
    }
}

/// Whether `text` fits a pattern with `*`.
fn like(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => {
            text.strip_prefix(start).is_some_and(|text| (0..=text.len()).any(|at| like(rest, &text[at..])))
        }
    }
}

/// A key that the request doesn't have fails its condition.
fn holds(conditions: &Value, context: &[(&str, &str)]) -> bool {
    let all = conditions.as_object().into_iter().flatten();
    all.flat_map(|(operator, keys)| keys.as_object().unwrap().iter().map(move |(key, wanted)| (operator, key, wanted)))
        .all(|(operator, key, wanted)| {
            assert!(operator == "StringEquals" || operator == "StringLike", "{operator}");
            let found = context.iter().find(|(k, _)| k == key);
            found.is_some_and(|(_, value)| several(wanted).iter().any(|w| like(w, value)))
        })
}

fn allows(action: &str, resource: &str, context: &[(&str, &str)]) -> bool {
    policy()["Statement"].as_array().unwrap().iter().any(|statement| {
        several(&statement["Action"]).iter().any(|a| a == action)
            && several(&statement["Resource"]).iter().any(|r| like(r, resource))
            && holds(&statement["Condition"], context)
    })
}

const INSTANCE: &str = "arn:aws:ec2:eu-west-1:1:instance/i-1";

#[test]
fn instances_are_started_with_the_jobs_tag_only() {
    let tagged = [("aws:RequestTag/tilefn:job", "j")];
    for kind in ["instance/*", "volume/*", "spot-instances-request/*"] {
        let arn = format!("arn:aws:ec2:eu-west-1:1:{kind}");
        assert!(allows("ec2:RunInstances", &arn, &tagged), "{kind}");
        assert!(!allows("ec2:RunInstances", &arn, &[]), "{kind}");
        assert!(!allows("ec2:RunInstances", &arn, &[("aws:RequestTag/owner", "me")]), "{kind}");
    }
    // What an instance is started from and in has no tags of the job.
    for arn in ["1:subnet/s", "1:security-group/s", "1:network-interface/*", ":image/ami-1"] {
        assert!(allows("ec2:RunInstances", &format!("arn:aws:ec2:eu-west-1:{arn}"), &[]), "{arn}");
    }
}

#[test]
fn nobody_elses_machine_can_be_tagged_and_then_terminated() {
    let start = [("ec2:CreateAction", "RunInstances"), ("aws:RequestTag/tilefn:job", "j")];
    assert!(allows("ec2:CreateTags", INSTANCE, &start));
    // Without RunInstances the call itself is CreateTags, and there is no such key.
    assert!(!allows("ec2:CreateTags", INSTANCE, &[("aws:RequestTag/tilefn:job", "j")]));
    assert!(!allows("ec2:TerminateInstances", INSTANCE, &[]));
    assert!(allows("ec2:TerminateInstances", INSTANCE, &[("aws:ResourceTag/tilefn:job", "j")]));
}

/// The template has the same statements, with its own names in the place of placeholders.
#[test]
fn the_template_has_the_same_policy() {
    let script = r#"
import json, re, sys, yaml
class Loader(yaml.SafeLoader): pass
def tagged(loader, suffix, node):
    value = node.value if isinstance(node, yaml.ScalarNode) else None
    return {suffix: value}
Loader.add_multi_constructor("!", tagged)
template = yaml.load(open(sys.argv[1]), Loader)
print(json.dumps(template["Resources"]["ControllerPolicy"]["Properties"]["PolicyDocument"]["Statement"]))
"#;
    let template = format!("{ROOT}/docker/aws/template.yaml");
    let shown = Command::new("/usr/bin/python3").args(["-c", script, &template]).output().unwrap();
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    let copies: Vec<Value> = serde_json::from_slice(&shown.stdout).unwrap();
    let plain = |statement: &Value| {
        let mut actions = several(&statement["Action"]);
        actions.sort();
        let resources = match &statement["Resource"] {
            Value::Array(all) => all.len(),
            _ => 1,
        };
        json!([statement["Sid"], actions, resources, statement["Condition"]])
    };
    let originals = policy();
    let originals: Vec<_> = originals["Statement"].as_array().unwrap().iter().map(plain).collect();
    assert_eq!(copies.iter().map(plain).collect::<Vec<_>>(), originals);
}
