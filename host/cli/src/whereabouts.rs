//! Whether workers on AWS will find this controller: its addresses there, and what is wrong with them. Said before anything is
//! asked of AWS, since a worker that can't connect costs as much as one that works.

use super::fatal::Fatal;
use super::metadata::{ask, ecs_task};
use controller::own_addresses;
use job::spec::Workers;
use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

/// EC2's metadata service, unless the environment names another.
const INSTANCE: &str = "http://169.254.169.254";
/// Who made this machine, as its firmware says.
const VENDOR: &str = "/sys/devices/virtual/dmi/id/sys_vendor";

/// Where this program runs.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Whereabouts {
    /// On AWS, under these addresses if AWS told them, the one for its own networks first.
    Aws(Vec<IpAddr>),
    /// Anywhere else, for all that is known.
    Elsewhere,
}

/// Addresses for the ticket of a job whose workers run on AWS.
///
/// # Errors
/// When no worker can come to them.
pub fn advertised(workers: &Workers, listen: SocketAddr) -> Result<Vec<String>, Fatal> {
    let whereabouts = whereabouts();
    // The endpoint of an emulator, whose workers may run on this machine.
    let emulated = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_ECS"].iter().any(|name| std::env::var_os(name).is_some());
    if let Some(given) = &workers.advertise {
        if !emulated && (host(given).is_some_and(is_nowhere) || is_localhost(given)) {
            return Err(Fatal::usage(unreachable("advertise", given)));
        }
        return Ok(vec![given.clone()]);
    }
    let own = match &whereabouts {
        Whereabouts::Aws(told) if listen.ip().is_unspecified() && !told.is_empty() => told.clone(),
        _ => own_addresses(listen.ip()),
    };
    if !emulated && own.iter().all(|ip| is_nowhere(*ip)) {
        let given = workers.listen.as_deref().filter(|_| !listen.ip().is_unspecified());
        return Err(Fatal::usage(match given {
            Some(listen) => unreachable("listen", listen),
            None => "this machine has no address that workers on AWS could reach: connect it to a network, or set \
                     workers.advertise (and workers.listen = \"[::]:PORT\" if it has IPv6 only)"
                .to_owned(),
        }));
    }
    if whereabouts == Whereabouts::Elsewhere && !emulated && own.iter().all(|ip| is_private(*ip)) {
        let own: Vec<_> = own.iter().map(ToString::to_string).collect();
        tracing::warn!(
            "{} is a private address, and this machine is not on AWS: workers there can't reach it, unless a VPN joins the \
             networks. tilefn submit --detach lets the controller run on AWS too; or run it on an EC2 instance, or set \
             workers.advertise to a public address",
            own.join(" or ")
        );
    }
    Ok(own.iter().map(ToString::to_string).collect())
}

fn unreachable(key: &str, given: &str) -> String {
    format!(
        "workers.{key}: workers on AWS can't reach {given}, which every machine takes for itself; leave it away on an EC2 \
         instance, else use tilefn submit --detach, which runs the controller on AWS too"
    )
}

/// The address in `host`, `host:port`, `[v6]` or `[v6]:port`; none for a name.
fn host(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|a| a.ip()))
}

fn is_localhost(text: &str) -> bool {
    text.split(':').next() == Some("localhost")
}

/// Loopback, or no address at all.
fn is_nowhere(ip: IpAddr) -> bool {
    ip.is_loopback() || ip.is_unspecified()
}

/// Whether the internet has no way to it: private, behind a carrier's NAT, or on the local link.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_private() || ip.is_link_local() || a == 100 && (64..128).contains(&b)
        }
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

fn whereabouts() -> Whereabouts {
    if let Some(task) = ecs_task() {
        return Whereabouts::Aws(of_task(&task));
    }
    let set = std::env::var("AWS_EC2_METADATA_SERVICE_ENDPOINT").ok().filter(|url| !url.is_empty());
    let on_ec2 = std::fs::read_to_string(Path::new(VENDOR)).is_ok_and(|vendor| vendor.trim() == "Amazon EC2");
    match (set, on_ec2) {
        (None, false) => Whereabouts::Elsewhere,
        (url, on_ec2) => match of_instance(url.as_deref().unwrap_or(INSTANCE)) {
            Some(addresses) => Whereabouts::Aws(addresses),
            None if on_ec2 => Whereabouts::Aws(Vec::new()),
            None => Whereabouts::Elsewhere,
        },
    }
}

/// The addresses of a task. One behind a bridge has an address of its host only, and AWS doesn't say which.
fn of_task(task: &serde_json::Value) -> Vec<IpAddr> {
    let containers = task.get("Containers").and_then(|c| c.as_array()).into_iter().flatten();
    let networks = containers.filter_map(|c| c.get("Networks")?.as_array()).flatten();
    let mut found = Vec::new();
    for network in networks.filter(|n| n.get("NetworkMode").and_then(|m| m.as_str()) != Some("bridge")) {
        for key in ["IPv4Addresses", "IPv6Addresses"] {
            let addresses = network.get(key).and_then(|a| a.as_array()).into_iter().flatten();
            found.extend(addresses.filter_map(|a| a.as_str()?.parse::<IpAddr>().ok()));
        }
    }
    // All containers of a task share its network.
    let mut seen = HashSet::new();
    found.retain(|ip| seen.insert(*ip));
    found
}

/// The addresses of an instance, that of its own network first; none where there is no such service.
fn of_instance(service: &str) -> Option<Vec<IpAddr>> {
    let service = service.trim_end_matches('/');
    let life = "X-aws-ec2-metadata-token-ttl-seconds: 60\r\n";
    let token = ask("PUT", &format!("{service}/latest/api/token"), life)?;
    let token = format!("X-aws-ec2-metadata-token: {}\r\n", token.trim());
    let get = |what: &str| ask("GET", &format!("{service}/latest/meta-data/{what}"), &token);
    let local = get("local-ipv4")?;
    let public = get("public-ipv4");
    Some([Some(local), public].into_iter().flatten().filter_map(|text| text.trim().parse().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn addresses_are_told_apart() {
        for (ip, nowhere, private) in [
            ("127.0.0.1", true, false),
            ("::1", true, false),
            ("0.0.0.0", true, false),
            ("10.1.2.3", false, true),
            ("172.16.0.1", false, true),
            ("172.32.0.1", false, false),
            ("192.168.1.2", false, true),
            ("100.64.0.1", false, true),
            ("100.128.0.1", false, false),
            ("169.254.1.1", false, true),
            ("fd00::1", false, true),
            ("fe80::1", false, true),
            ("2a00::1", false, false),
            ("52.1.2.3", false, false),
        ] {
            let parsed = ip.parse().unwrap();
            assert_eq!((is_nowhere(parsed), is_private(parsed)), (nowhere, private), "{ip}");
        }
        for text in ["127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:1", "::1"] {
            assert!(host(text).is_some_and(is_nowhere), "{text}");
        }
        assert!(is_localhost("localhost") && is_localhost("localhost:7400") && host("localhost").is_none());
        assert!(!is_localhost("localhost.example:7400"));
    }

    #[test]
    fn a_task_has_the_addresses_of_its_network() {
        let of = |networks: serde_json::Value| of_task(&json!({ "Containers": [{ "Networks": networks }] }));
        let awsvpc =
            json!([{ "NetworkMode": "awsvpc", "IPv4Addresses": ["10.0.2.106"], "IPv6Addresses": ["2a05::1"] }]);
        assert_eq!(of(awsvpc), ["10.0.2.106".parse::<IpAddr>().unwrap(), "2a05::1".parse().unwrap()]);
        assert_eq!(of(json!([{ "NetworkMode": "bridge", "IPv4Addresses": ["172.17.0.2"] }])), [] as [IpAddr; 0]);
        assert_eq!(of(json!([{ "NetworkMode": "host", "IPv4Addresses": ["not one"] }])), [] as [IpAddr; 0]);
        assert_eq!(of_task(&json!({ "TaskARN": "arn" })), [] as [IpAddr; 0]);
    }
}
