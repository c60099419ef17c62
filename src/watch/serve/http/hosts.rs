//! Whose name a request may carry in its Host header. A web page that points its own name at our address (DNS
//! rebinding) still names itself there. Pure.

use std::net::{IpAddr, SocketAddr};

#[derive(Debug)]
pub(crate) struct Hosts {
    bound: SocketAddr,
    allowed: Vec<String>,
}

impl Hosts {
    pub(crate) fn new(bound: SocketAddr, allowed: &[String]) -> Self {
        Self { bound, allowed: allowed.iter().map(|name| name.to_ascii_lowercase()).collect() }
    }

    /// `local`: the address at which this client reached us, which is the bound one unless that was a
    /// wildcard.
    pub(crate) fn accept(&self, header: &str, local: Option<SocketAddr>) -> bool {
        let host = without_port(header.trim()).to_ascii_lowercase();
        if let Ok(address) = host.parse::<IpAddr>() {
            let reached = local.map(|local| local.ip().to_canonical());
            return address.is_loopback()
                || address == self.bound.ip()
                || Some(address.to_canonical()) == reached;
        }
        host == "localhost" || host.ends_with(".localhost") || self.allowed.contains(&host)
    }
}

/// `name:port`, `1.2.3.4:port`, `[::1]:port`, each with or without the port.
fn without_port(header: &str) -> &str {
    if let Some(rest) = header.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    match header.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => header,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_names_pass_and_foreign_ones_do_not() {
        let bound = "127.0.0.1:9418".parse().expect("address");
        let hosts = Hosts::new(bound, &["Status.Example".to_owned()]);
        let local = Some(bound);
        for ours in [
            "localhost",
            "localhost:9418",
            "LOCALHOST:1",
            "127.0.0.1:9418",
            "[::1]:9418",
            "status.example:80",
        ] {
            assert!(hosts.accept(ours, local), "{ours}");
        }
        for foreign in
            ["evil.example", "localhost.evil.example", "10.0.0.7:9418", "", ":9418", "[", "127.0.0.1.evil:80"]
        {
            assert!(!hosts.accept(foreign, local), "{foreign}");
        }
    }

    #[test]
    fn a_wildcard_accepts_the_address_it_was_reached_at() {
        let hosts = Hosts::new("0.0.0.0:9418".parse().expect("address"), &[]);
        let reached = "10.1.2.3:9418".parse().ok();
        assert!(hosts.accept("10.1.2.3:9418", reached));
        assert!(!hosts.accept("10.1.2.4:9418", reached));
        let mapped = "[::ffff:10.1.2.3]:9418".parse().ok();
        assert!(hosts.accept("10.1.2.3", mapped));
    }
}
