//! IP addresses and networks. Source: the documentation of `ansible.utils.ipaddr`.

use super::args::{Args, is_list, items};
use super::wrong;
use minijinja::{Error, State, Value};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address with the length of its network's prefix in bits.
#[derive(Clone, Copy)]
struct Interface {
    address: IpAddr,
    prefix: u32,
}

impl Interface {
    /// `10.0.0.1`, `10.0.0.1/24`, `10.0.0.1/255.255.255.0`, and the same of IPv6.
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().ok()?;
        let width = width(address);
        let prefix = match prefix {
            None => width,
            Some(p) if p.bytes().all(|b| b.is_ascii_digit()) => p.parse().ok()?,
            Some(mask) => {
                let mask: IpAddr = mask.parse().ok().filter(|m: &IpAddr| m.is_ipv4() == address.is_ipv4())?;
                // The ones of a mask are at its start alone.
                let ones = bits(mask) << (128 - width);
                (ones.leading_ones() == ones.count_ones()).then_some(ones.leading_ones())?
            }
        };
        (prefix <= width).then_some(Self { address, prefix })
    }

    fn host_bits(self) -> u32 {
        width(self.address) - self.prefix
    }

    fn hosts(self) -> u128 {
        1u128.checked_shl(self.host_bits()).map_or(u128::MAX, |n| n - 1)
    }

    fn with(self, bits: u128) -> IpAddr {
        match self.address {
            // The bits above are those of an IPv4 address, which has no more.
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(bits as u32)),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(bits)),
        }
    }

    fn network(self) -> IpAddr {
        self.with(bits(self.address) & !self.hosts())
    }

    fn netmask(self) -> IpAddr {
        self.with(!self.hosts())
    }

    fn broadcast(self) -> IpAddr {
        self.with(bits(self.address) | self.hosts())
    }
}

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(a) => u128::from(a.to_bits()),
        IpAddr::V6(a) => a.to_bits(),
    }
}

#[derive(Clone, Copy)]
enum Query {
    Valid,
    Address,
    Network,
    Netmask,
    Prefix,
    Broadcast,
    Subnet,
    Version,
}

fn query(args: &Args) -> Result<Query, Error> {
    Ok(match args.text_or("query", "")?.as_ref() {
        "" => Query::Valid,
        "address" | "ip" => Query::Address,
        "network" => Query::Network,
        "netmask" => Query::Netmask,
        "prefix" => Query::Prefix,
        "broadcast" => Query::Broadcast,
        "subnet" => Query::Subnet,
        "version" => Query::Version,
        other => {
            return Err(wrong(format!(
                "`query` is one of address, network, netmask, prefix, broadcast, subnet, version, not `{other}`"
            )));
        }
    })
}

fn answer(query: Query, value: &Value, wanted: fn(&IpAddr) -> bool) -> Option<Value> {
    let it = Interface::parse(value.as_str()?).filter(|i| wanted(&i.address))?;
    let text = |a: IpAddr| Some(Value::from(a.to_string()));
    match query {
        Query::Valid => Some(value.clone()),
        // A network is not an address of a host; where two bits or fewer are left it can be.
        Query::Address if it.host_bits() > 1 && it.address == it.network() => None,
        Query::Address => text(it.address),
        Query::Network => text(it.network()),
        Query::Netmask => text(it.netmask()),
        Query::Prefix => Some(Value::from(it.prefix)),
        Query::Broadcast if it.host_bits() > 1 => text(it.broadcast()),
        Query::Broadcast => None,
        Query::Subnet => Some(Value::from(format!("{}/{}", it.network(), it.prefix))),
        Query::Version => Some(Value::from(if it.address.is_ipv4() { 4 } else { 6 })),
    }
}

/// False for what is no such address; of a list, those that are.
fn filter(state: &State, value: &Value, args: &Args, wanted: fn(&IpAddr) -> bool) -> Result<Value, Error> {
    let query = query(args)?;
    if is_list(value) {
        return Ok(items(state, value)?.iter().filter_map(|v| answer(query, v, wanted)).collect());
    }
    Ok(answer(query, value, wanted).unwrap_or_else(|| Value::from(false)))
}

pub fn ipaddr(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    filter(state, value, args, |_| true)
}

pub fn ipv4(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    filter(state, value, args, IpAddr::is_ipv4)
}

pub fn ipv6(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    filter(state, value, args, IpAddr::is_ipv6)
}
