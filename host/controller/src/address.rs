//! Where workers on a network find the controller.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Where the controller listens, and what workers are told about it.
#[derive(Clone, Debug)]
pub struct Address {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// Addresses for the ticket, with or without a port; when empty, this machine's own are found out.
    pub advertise: Vec<String>,
    /// The job's id, for the ticket.
    pub job: String,
}

impl Address {
    /// Addresses for the ticket of a controller that listens on `port`: those given, else this machine's own, else loopback.
    pub(super) fn all(&self, port: u16) -> Vec<String> {
        if !self.advertise.is_empty() {
            return self.advertise.iter().map(|address| with_port(address, port)).collect();
        }
        let own = own_addresses(self.listen.ip());
        let own = if own.is_empty() { vec![Ipv4Addr::LOCALHOST.into()] } else { own };
        own.into_iter().map(|ip| SocketAddr::new(ip, port).to_string()).collect()
    }
}

/// This machine's addresses for somebody who listens on `listen`: that one, or where it means all of them, those on the
/// way to anywhere. A socket that listens on all IPv6 addresses takes IPv4 as well.
pub fn own_addresses(listen: IpAddr) -> Vec<IpAddr> {
    if !listen.is_unspecified() {
        return vec![listen];
    }
    // Both are reserved for documentation. Only the route is looked up; nothing is sent.
    let v4 = outgoing((Ipv4Addr::UNSPECIFIED, 0).into(), (Ipv4Addr::new(192, 0, 2, 1), 9).into());
    let far = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    let v6 = listen.is_ipv6().then(|| outgoing((Ipv6Addr::UNSPECIFIED, 0).into(), (far, 9).into()));
    [v4, v6.flatten()].into_iter().flatten().collect()
}

/// This machine's address on the way to `far`.
fn outgoing(from: SocketAddr, far: SocketAddr) -> Option<IpAddr> {
    let socket = UdpSocket::bind(from).ok()?;
    socket.connect(far).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// The address with a port: its own, else this one.
fn with_port(address: &str, port: u16) -> String {
    if let Ok(ip) = address.parse::<IpAddr>() {
        return SocketAddr::new(ip, port).to_string();
    }
    let has_port = address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if has_port { address.to_owned() } else { format!("{address}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(listen: &str, advertise: &[&str]) -> Vec<String> {
        let advertise = advertise.iter().map(|a| (*a).to_owned()).collect();
        Address { listen: listen.parse().unwrap(), advertise, job: "j".into() }.all(7400)
    }

    #[test]
    fn an_address_without_a_port_gets_the_listeners() {
        let given =
            ["10.0.1.17", "10.0.1.17:9", "host.example", "host.example:9", "fd00::1", "[fd00::1]", "[fd00::1]:9"];
        let expected = [
            "10.0.1.17:7400",
            "10.0.1.17:9",
            "host.example:7400",
            "host.example:9",
            "[fd00::1]:7400",
            "[fd00::1]:7400",
            "[fd00::1]:9",
        ];
        assert_eq!(told("0.0.0.0:0", &given), expected);
    }

    #[test]
    fn a_listener_on_one_address_has_no_other() {
        assert_eq!(told("10.0.1.17:0", &[]), ["10.0.1.17:7400"]);
        assert_eq!(told("[fd00::1]:0", &[]), ["[fd00::1]:7400"]);
    }

    #[test]
    fn a_listener_on_all_addresses_names_one_of_each_kind_at_most() {
        let v4 = told("0.0.0.0:0", &[]);
        assert!(v4.len() == 1 && v4[0].parse::<SocketAddr>().unwrap().is_ipv4(), "{v4:?}");
        let both = told("[::]:0", &[]);
        assert_eq!(both[0], v4[0], "IPv4 first, which all of AWS's subnets have");
        assert!(both.len() <= 2, "{both:?}");
    }
}
