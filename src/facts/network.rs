//! Interfaces and the default route: as `ip` tells them, or else from the kernel's own tables.

use super::bounds::{MANY, clipped};
use super::{Interface, Network};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The interface of this name, made where it is new; `None` past what a sane host has.
pub(super) fn interface<'a>(network: &'a mut Network, name: &str) -> Option<&'a mut Interface> {
    let list = &mut network.interfaces;
    let at = match list.iter().position(|i| i.name == name) {
        Some(at) => at,
        None if list.len() >= MANY || name.is_empty() => return None,
        None => {
            list.push(Interface { name: clipped(name), ..Interface::default() });
            list.len() - 1
        }
    };
    list.get_mut(at)
}

fn add(network: &mut Network, name: &str, address: IpAddr, prefix: u8) {
    let Some(interface) = interface(network, name) else { return };
    let list = if address.is_ipv4() { &mut interface.ipv4 } else { &mut interface.ipv6 };
    let text = format!("{address}/{prefix}");
    if list.len() < MANY && !list.contains(&text) {
        list.push(text);
    }
}

/// Lines like `2: eth0    inet 10.0.0.5/24 brd … scope global eth0`; a tunnel's end is `inet A peer B/32` and has an
/// address of its own alone.
pub(super) fn addresses(network: &mut Network, text: &str) {
    for line in text.lines() {
        let mut fields = line.split_whitespace().skip(1);
        let (Some(name), Some("inet" | "inet6"), Some(address)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        // A veth is shown as `host0@if3`.
        let name = name.trim_end_matches(':').split('@').next().unwrap_or_default();
        let (address, prefix) = address.split_once('/').map_or((address, None), |(a, p)| (a, Some(p)));
        let Ok(address) = address.parse::<IpAddr>() else { continue };
        let whole = if address.is_ipv4() { 32 } else { 128 };
        match prefix.map_or(Ok(whole), str::parse::<u8>) {
            Ok(prefix) if prefix <= whole => add(network, name, address, prefix),
            _ => {}
        }
    }
}

/// `default via 10.0.0.1 dev eth0 proto dhcp src 10.0.0.5 metric 100`, the best first. One with several ways has each
/// on a line of its own below: `nexthop via 10.0.0.1 dev eth0 weight 1`. Returns the gateway.
pub(super) fn routes(network: &mut Network, text: &str) -> Option<Ipv4Addr> {
    let mut gateway = None;
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let after = |word: &str| words.iter().skip_while(|w| **w != word).nth(1).copied();
        if network.default_interface.is_none() && matches!(words.first(), Some(&"default" | &"nexthop")) {
            network.default_interface = after("dev").map(clipped);
            network.default_ipv4 = after("src").and_then(|a| a.parse::<Ipv4Addr>().ok()).map(|a| a.to_string());
            gateway = network.default_interface.as_ref().and_then(|_| after("via")?.parse().ok());
        }
    }
    gateway
}

/// Settles what hangs on several answers, and sorts.
///
/// Where the default route has no source of its own, its interface's first address in the gateway's network is the one,
/// as the kernel chooses it. That is looked up before sorting, for `ip` has the address first that the kernel prefers; its
/// tables do not show which that is.
pub(super) fn settle(network: &mut Network, gateway: Option<Ipv4Addr>) {
    let default = network.default_interface.as_ref();
    let own = network.interfaces.iter().find(|i| Some(&i.name) == default).map_or(&[][..], |i| &i.ipv4);
    if network.default_ipv4.is_none() {
        let near = own.iter().filter_map(|a| parts(a)).find(|(a, prefix)| match (a, gateway) {
            (IpAddr::V4(a), Some(gateway)) => {
                let host_bits = u32::MAX.checked_shr(u32::from(*prefix)).unwrap_or(0);
                u32::from(*a) | host_bits == u32::from(gateway) | host_bits
            }
            _ => false,
        });
        let first = near.or_else(|| own.iter().find_map(|a| parts(a)));
        network.default_ipv4 = first.map(|(address, _)| address.to_string());
    }
    for interface in &mut network.interfaces {
        interface.ipv4.sort_by_cached_key(|a| parts(a));
        interface.ipv6.sort_by_cached_key(|a| parts(a));
    }
    network.interfaces.sort_by(|a, b| a.name.cmp(&b.name));
}

/// Of `10.0.0.5/24`.
fn parts(text: &str) -> Option<(IpAddr, u8)> {
    let (address, prefix) = text.split_once('/')?;
    Some((address.parse().ok()?, prefix.parse().ok()?))
}

struct Route<'a> {
    interface: &'a str,
    to: u32,
    gateway: u32,
    mask: u32,
    metric: u32,
}

/// `RTF_REJECT` of `<linux/route.h>`: a route that leads nowhere.
const REJECT: u32 = 0x200;

/// The kernel prints an address's four bytes as one number of its own byte order.
fn route<'a>(line: &'a str, arch: &str) -> Option<Route<'a>> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let &[interface, to, gateway, flags, _, _, metric, mask, ..] = fields.as_slice() else { return None };
    if u32::from_str_radix(flags, 16).ok()? & REJECT != 0 {
        return None;
    }
    let big_endian = matches!(arch, "s390x" | "s390" | "ppc" | "ppc64" | "mips" | "mips64" | "sparc64" | "parisc");
    let number = |hex: &str| {
        let number = u32::from_str_radix(hex, 16).ok()?;
        Some(if big_endian { number } else { number.swap_bytes() })
    };
    let (to, gateway, mask) = (number(to)?, number(gateway)?, number(mask)?);
    Some(Route { interface, to, gateway, mask, metric: metric.parse().ok()? })
}

/// `/proc/net/route` and `/proc/net/fib_trie`. The latter has the addresses without their interfaces: that is the
/// interface of the narrowest route to each that has no gateway. Returns the default route's gateway.
pub(super) fn kernel_tables(network: &mut Network, routes: &str, trie: &str, arch: &str) -> Option<Ipv4Addr> {
    let routes: Vec<Route<'_>> = routes.lines().filter_map(|l| route(l, arch)).collect();
    let default = routes.iter().filter(|r| r.to == 0 && r.mask == 0).min_by_key(|r| r.metric);
    if network.default_interface.is_none() {
        network.default_interface = default.map(|r| clipped(r.interface));
    }
    let mut leaf = None;
    for line in trie.lines() {
        let line = line.trim();
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse::<Ipv4Addr>().ok();
        } else if line == "/32 host LOCAL"
            && let Some(address) = leaf
        {
            let bits = u32::from(address);
            let direct = |r: &&Route<'_>| r.gateway == 0 && r.mask != 0 && bits & r.mask == r.to;
            let near = routes.iter().filter(direct).max_by_key(|r| r.mask);
            match near {
                Some(route) => {
                    let prefix = u8::try_from(route.mask.leading_ones()).unwrap_or(32);
                    add(network, route.interface, address.into(), prefix);
                }
                None if address.is_loopback() => add(network, "lo", address.into(), 8),
                None => {}
            }
        }
    }
    default.filter(|r| r.gateway != 0).map(|r| Ipv4Addr::from(r.gateway))
}

/// `/proc/net/if_inet6`: address, interface's index, prefix, scope, flags (all hexadecimal) and interface.
pub(super) fn kernel_addresses6(network: &mut Network, text: &str) {
    for line in text.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let &[address, _, prefix, _, _, name] = fields.as_slice() else { continue };
        let (Ok(bits), Ok(prefix)) = (u128::from_str_radix(address, 16), u8::from_str_radix(prefix, 16)) else {
            continue;
        };
        if prefix <= 128 {
            add(network, name, Ipv6Addr::from(bits).into(), prefix);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<'a>(network: &'a Network, name: &str) -> (&'a [String], &'a [String]) {
        let interface = network.interfaces.iter().find(|i| i.name == name).unwrap();
        (&interface.ipv4, &interface.ipv6)
    }

    #[test]
    fn both_kinds_of_ip_are_read() {
        let iproute = "1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever\n\
            4: eth0    inet 192.0.2.2/24 brd 192.0.2.255 scope global eth0\\       valid_lft forever\n\
            4: eth0    inet6 fd00::2/64 scope global nodad \\       valid_lft forever preferred_lft forever\n";
        let busybox = "1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever\n\
            2: eth0@if3:    <BROADCAST,UP> mtu 1500 qdisc noqueue \n\
            4: eth0    inet 192.0.2.2/24 brd 192.0.2.255 scope global eth0\\       valid_lft forever\n\
            4: eth0    inet6 fd00::2/64 scope global flags 02 \\       valid_lft forever preferred_lft forever\n";
        for text in [iproute, busybox] {
            let mut network = Network::default();
            addresses(&mut network, text);
            routes(&mut network, "default via 192.0.2.1 dev eth0 \n");
            settle(&mut network, None);
            assert_eq!(of(&network, "eth0"), (&["192.0.2.2/24".to_owned()][..], &["fd00::2/64".to_owned()][..]));
            assert_eq!(network.default_ipv4.as_deref(), Some("192.0.2.2"));
            assert_eq!(network.interfaces.len(), 2);
        }
    }

    #[test]
    fn tunnels_several_ways_and_nonsense() {
        let mut network = Network::default();
        addresses(
            &mut network,
            "7: tun0    inet 10.8.0.2 peer 10.8.0.1/32 scope global tun0\n8: x inet $(reboot)/9\n9: y inet 1.2.3.4/77\n",
        );
        routes(&mut network, "default proto static metric 1 \n\tnexthop via 10.0.0.1 dev eth1 weight 1 \n");
        settle(&mut network, None);
        assert_eq!(of(&network, "tun0").0, ["10.8.0.2/32"]);
        assert_eq!((network.interfaces.len(), network.default_interface.as_deref()), (1, Some("eth1")));
    }

    const ROUTES: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
        wlan0\t00000000\t0100000A\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
        eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
        eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
    const TRIE: &str = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n\
        +-- 127.0.0.0/8 2 0 2\n           |-- 127.0.0.0\n              /8 host LOCAL\n           |-- 127.0.0.1\n\
        /32 host LOCAL\n           |-- 127.255.255.255\n              /32 link BROADCAST\n           |-- 192.0.2.2\n\
        /32 host LOCAL\nLocal:\n           |-- 192.0.2.2\n              /32 host LOCAL\n";

    #[test]
    fn without_ip_the_kernels_tables_tell_the_same() {
        let mut network = Network::default();
        kernel_tables(&mut network, ROUTES, TRIE, "x86_64");
        kernel_addresses6(&mut network, "fd000000000000000000000000000002 04 40 00 82     eth0\nzz 1 1 1 1 eth0\n");
        settle(&mut network, None);
        assert_eq!(of(&network, "eth0"), (&["192.0.2.2/24".to_owned()][..], &["fd00::2/64".to_owned()][..]));
        assert_eq!(of(&network, "lo").0, ["127.0.0.1/8"]);
        assert_eq!(network.default_interface.as_deref(), Some("eth0"));
        assert_eq!(network.default_ipv4.as_deref(), Some("192.0.2.2"));
    }

    #[test]
    fn a_big_endian_kernel_prints_its_numbers_the_other_way_round() {
        let mut network = Network::default();
        let routes = "eth0\tC0000200\t00000000\t0001\t0\t0\t0\tFFFFFF00\t0\t0\t0\n";
        kernel_tables(&mut network, routes, TRIE, "s390x");
        assert_eq!(of(&network, "eth0").0, ["192.0.2.2/24"]);
    }
}
