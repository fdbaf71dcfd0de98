//! A network of this test's own: three network namespaces, the controller's with a switch in it, and one for each worker.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// The controller's address; the workers' follow it.
pub const CONTROLLER: &str = "10.77.0.1";
/// The namespace of the controller; those of the workers are 1 and 2.
pub const AT_CONTROLLER: usize = 0;

static MADE: AtomicU32 = AtomicU32::new(0);

/// Three namespaces, gone at the end with all that is in them.
pub struct Network {
    names: [String; 3],
}

impl Network {
    /// The network, or `None` (and a line that says so) where this user may not have one.
    pub fn new() -> Option<Self> {
        let made = MADE.fetch_add(1, Ordering::Relaxed);
        let network = Self { names: [0, 1, 2].map(|n| format!("tilefn-{}-{made}-{n}", std::process::id())) };
        if !network.names.iter().all(|name| quietly("ip", &format!("netns add {name}"))) {
            eprintln!("SKIPPED: network namespaces, since only root with `ip netns` may make them");
            return None;
        }
        let [controller, workers @ ..] = &network.names;
        network.ip(AT_CONTROLLER, "link set lo up");
        network.ip(AT_CONTROLLER, "link add switch type bridge");
        network.ip(AT_CONTROLLER, &format!("address add {CONTROLLER}/24 dev switch"));
        network.ip(AT_CONTROLLER, "link set switch up");
        for (name, n) in workers.iter().zip(1..) {
            assert!(quietly(
                "ip",
                &format!("link add port{n} netns {controller} type veth peer name cable netns {name}")
            ));
            network.ip(AT_CONTROLLER, &format!("link set port{n} master switch up"));
            network.ip(n, &format!("address add {}/24 dev cable", address(n)));
            network.ip(n, "link set lo up");
            network.ip(n, "link set cable up");
        }
        Some(network)
    }

    /// `ip` with these arguments in the `n`th namespace.
    #[track_caller]
    pub fn ip(&self, n: usize, arguments: &str) {
        assert!(quietly("ip", &format!("-n {} {arguments}", self.names[n])), "ip {arguments}");
    }

    /// Another command in the `n`th namespace; false when this kernel or system can't do it.
    pub fn try_in(&self, n: usize, command: &str) -> bool {
        quietly("ip", &format!("netns exec {} {command}", self.names[n]))
    }

    /// The same command, to be run in the `n`th namespace.
    pub fn inside(&self, n: usize, command: &Command) -> Command {
        let mut inside = Command::new("ip");
        inside.args(["netns", "exec", &self.names[n]]).arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(key, value),
                None => inside.env_remove(key),
            };
        }
        inside.current_dir(command.get_current_dir().unwrap()).stdin(Stdio::null());
        inside
    }

    /// Pulls the `n`th worker's cable out of the switch.
    pub fn pull(&self, n: usize) {
        self.ip(AT_CONTROLLER, &format!("link set port{n} down"));
    }

    /// Plugs it in again.
    pub fn plug(&self, n: usize) {
        self.ip(AT_CONTROLLER, &format!("link set port{n} up"));
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in &self.names {
            // Of a network that could not be made, some are not there.
            let _gone = quietly("ip", &format!("netns delete {name}"));
        }
    }
}

/// The `n`th worker's address at first.
pub fn address(n: usize) -> String {
    format!("10.77.0.{}", n + 1)
}

fn quietly(program: &str, arguments: &str) -> bool {
    let mut command = Command::new(program);
    command.args(arguments.split_whitespace()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
