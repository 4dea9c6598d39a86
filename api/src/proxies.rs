//! Who a caller is when proxies stand in between: the address that the outermost trusted proxy saw.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use strum::{Display, EnumIter, EnumString, IntoStaticStr};

use crate::headers::{FORWARDED, X_FORWARDED_FOR};
use crate::log_limit::LogLimit;

/// A proxy that cannot be understood is reported no more often than this.
const REPORT_EVERY: Duration = Duration::from_mins(1);

/// As much of an unreadable header is repeated, in characters.
const FOUND_SHOWN: usize = 60;

/// The header in which a proxy names the client of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Display, EnumIter, EnumString, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum ForwardedHeader {
    /// `X-Forwarded-For: 198.51.100.7, 10.0.0.1`.
    #[default]
    XForwardedFor,
    /// `Forwarded: for=198.51.100.7;proto=https, for="[2001:db8::1]:4711"` (RFC 7239).
    Forwarded,
}

/// Networks whose word about a caller's address is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

/// Private use (RFC 1918), shared by carriers (RFC 6598), unique local and link local (RFC 4193, RFC 4291).
const PRIVATE: [&str; 6] =
    ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "fe80::/10"];
const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1/128"];

impl Default for TrustedProxies {
    /// A proxy on this machine.
    fn default() -> Self {
        Self(networks(&LOOPBACK))
    }
}

fn networks(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

impl FromStr for TrustedProxies {
    type Err = String;

    /// Reads networks and addresses, `private` for all private networks, `loopback` for this machine, and `none`; separated
    /// by commas.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut trusted = Vec::new();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            match item {
                "none" => {}
                "loopback" => trusted.extend(networks(&LOOPBACK)),
                "private" => trusted.extend(networks(&PRIVATE)),
                network => trusted.push(
                    network.parse().or_else(|_| network.parse().map(|ip: IpAddr| ip.into())).map_err(|_| {
                        format!(
                            "{network} is no network; expected one such as 10.0.0.0/8, an address, private, loopback or none"
                        )
                    })?,
                ),
            }
        }
        Ok(Self(trusted))
    }
}

impl TrustedProxies {
    /// Whether this is the address of one.
    pub(crate) fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl fmt::Display for TrustedProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let networks: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(if networks.is_empty() { "none" } else { "" })?;
        f.write_str(&networks.join(","))
    }
}

/// The addresses that count as one caller: of IPv6 a /64, which belongs to one household.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// How the address of a caller is found.
#[derive(Debug)]
pub(crate) struct Callers {
    trusted: TrustedProxies,
    header: ForwardedHeader,
    reports: LogLimit,
}

impl Callers {
    pub(crate) const fn new(trusted: TrustedProxies, header: ForwardedHeader) -> Self {
        Self { trusted, header, reports: LogLimit::new(REPORT_EVERY) }
    }

    /// The address of whoever sent a request that came from `peer`.
    ///
    /// Each trusted proxy appends the address that it saw; whatever stands before that, a caller may have written. So the
    /// hops are read from the last on, and the first that is no trusted proxy is the caller.
    pub(crate) fn address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut caller = peer.to_canonical();
        if !self.trusts(caller) {
            return caller;
        }
        let name = self.header_name();
        for line in headers.get_all(&name).iter().rev() {
            let hops = line.to_str().ok().and_then(|line| match self.header {
                ForwardedHeader::XForwardedFor => Some(hops(line)),
                ForwardedHeader::Forwarded => elements(line),
            });
            let Some(hops) = hops else {
                self.report(caller, &name, "what is no list");
                return caller;
            };
            for hop in hops.into_iter().rev() {
                let named = match self.header {
                    ForwardedHeader::XForwardedFor => address(hop),
                    ForwardedHeader::Forwarded => forwarded_for(hop).and_then(address),
                };
                let Some(named) = named else {
                    self.report(caller, &name, hop);
                    return caller;
                };
                caller = named;
                if !self.trusts(caller) {
                    return caller;
                }
            }
        }
        // A request from this machine itself is no proxy's.
        if caller == peer.to_canonical() && !caller.is_loopback() {
            self.report(caller, &name, "nothing");
        }
        caller
    }

    const fn header_name(&self) -> HeaderName {
        match self.header {
            ForwardedHeader::XForwardedFor => X_FORWARDED_FOR,
            ForwardedHeader::Forwarded => FORWARDED,
        }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.contain(address)
    }

    /// Warns that callers cannot be distinguished, no more often than a person reads it.
    fn report(&self, proxy: IpAddr, header: &HeaderName, found: &str) {
        let found: String = found.chars().take(FOUND_SHOWN).collect();
        if self.reports.permits() {
            tracing::warn!(
                "{header} from the proxy at {proxy} has no address of a client (found: {found:?}): all clients behind it \
                 share one rate limit; let it set the header, or correct HOLDFAST_TRUSTED_PROXIES and \
                 HOLDFAST_FORWARDED_HEADER"
            );
        }
    }
}

/// The elements of a list in `X-Forwarded-For`, which knows no quotes.
fn hops(line: &str) -> Vec<&str> {
    line.split(',').map(str::trim).filter(|hop| !hop.is_empty()).collect()
}

/// The elements of a list in `Forwarded`; a comma in quotes separates nothing. `None`: a quote is left open, and would hide
/// what a proxy appended behind it.
fn elements(line: &str) -> Option<Vec<&str>> {
    let mut is_quoted = false;
    let separates = |c: char| {
        is_quoted ^= c == '"';
        c == ',' && !is_quoted
    };
    let elements = line.split(separates).map(str::trim).filter(|element| !element.is_empty()).collect();
    line.matches('"').count().is_multiple_of(2).then_some(elements)
}

/// The node of the parameter `for` of an element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<&str> {
    let pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
    let named = pairs
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"))
        .map(|(_, value)| value.trim())
        .next()?;
    Some(named.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(named))
}

/// An address, with or without a port, in brackets or not.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(trusted: &str, header: ForwardedHeader, peer: &str, lines: &[&str]) -> String {
        let callers = Callers::new(trusted.parse().expect("networks"), header);
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(callers.header_name(), line.parse().expect("a value"));
        }
        callers.address(peer.parse().expect("an address"), &headers).to_string()
    }

    #[test]
    fn f28_the_caller_is_what_the_outermost_trusted_proxy_saw() {
        let near = "127.0.0.1";
        for (trusted, peer, lines, caller) in [
            ("loopback", near, &["198.51.100.7"][..], "198.51.100.7"),
            // With a port, as some balancers write it; in brackets; mapped.
            ("loopback", near, &["198.51.100.7:5678"], "198.51.100.7"),
            ("loopback", near, &["[2001:db8::7]:443"], "2001:db8::7"),
            ("loopback", near, &["[2001:db8::7]"], "2001:db8::7"),
            ("loopback", near, &["2001:db8::7"], "2001:db8::7"),
            ("loopback", "::ffff:127.0.0.1", &["::ffff:198.51.100.7"], "198.51.100.7"),
            // What a caller wrote before is not believed, in one line or in several.
            ("loopback", near, &["1.1.1.1, 198.51.100.7"], "198.51.100.7"),
            ("loopback", near, &["1.1.1.1", "198.51.100.7"], "198.51.100.7"),
            // Several proxies, all trusted; the whole chain; one that is not.
            ("loopback,private", near, &["1.1.1.1, 198.51.100.7, 10.0.0.2"], "198.51.100.7"),
            ("loopback,10.0.0.2", near, &["198.51.100.7, 10.0.0.2"], "198.51.100.7"),
            ("loopback,private", near, &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("loopback", near, &["198.51.100.7, 10.0.0.2"], "10.0.0.2"),
            // A peer that is no proxy of ours, or none at all.
            ("loopback", "192.0.2.1", &["198.51.100.7"], "192.0.2.1"),
            ("none", near, &["198.51.100.7"], "127.0.0.1"),
            ("192.0.2.0/24", "192.0.2.1", &["198.51.100.7"], "198.51.100.7"),
            ("2001:db8::/32", "2001:db8::1", &["198.51.100.7"], "198.51.100.7"),
            // Unreadable: whoever is known so far.
            ("loopback", near, &["unknown"], "127.0.0.1"),
            ("loopback,private", near, &["198.51.100.7, _hidden, 10.0.0.2"], "10.0.0.2"),
            ("loopback", near, &["198.51.100.7:port"], "127.0.0.1"),
            // A quote hides nothing that a proxy appended, and moves nobody into another's bucket.
            ("loopback", near, &["\", 198.51.100.7"], "198.51.100.7"),
            ("loopback", near, &["1.1.1.1\", 198.51.100.7"], "198.51.100.7"),
            ("loopback", near, &[""], "127.0.0.1"),
            ("loopback", near, &[], "127.0.0.1"),
        ] {
            assert_eq!(
                seen(trusted, ForwardedHeader::XForwardedFor, peer, lines),
                caller,
                "{trusted} {peer} {lines:?}"
            );
        }
    }

    #[test]
    fn f28_the_standard_header_is_read_as_well() {
        for (lines, caller) in [
            (&["for=198.51.100.7"][..], "198.51.100.7"),
            (&["for=198.51.100.7;proto=https;by=10.0.0.1"], "198.51.100.7"),
            (&["proto=https; For=\"198.51.100.7:5678\""], "198.51.100.7"),
            (&["for=\"[2001:db8::7]:443\""], "2001:db8::7"),
            (&["for=1.1.1.1, for=198.51.100.7;ext=\"a, b\""], "198.51.100.7"),
            (&["for=1.1.1.1", "for=198.51.100.7, for=127.0.0.2"], "198.51.100.7"),
            (&["for=unknown"], "127.0.0.1"),
            (&["for=1.1.1.1;x=\", for=198.51.100.7"], "127.0.0.1"),
            (&["for=1.1.1.1;x=\"", "for=198.51.100.7"], "198.51.100.7"),
            (&["proto=https"], "127.0.0.1"),
            (&["198.51.100.7"], "127.0.0.1"),
        ] {
            assert_eq!(seen("loopback", ForwardedHeader::Forwarded, "127.0.0.1", lines), caller, "{lines:?}");
        }
    }

    #[test]
    fn f28_networks_are_read_or_refused_by_name() {
        for (text, read) in [
            ("", Ok("none".to_owned())),
            ("none", Ok("none".to_owned())),
            ("10.0.0.0/8, 192.0.2.1", Ok("10.0.0.0/8,192.0.2.1/32".to_owned())),
            ("loopback", Ok("127.0.0.0/8,::1/128".to_owned())),
            ("10.0.0.0/33", Err("10.0.0.0/33 is no network")),
            ("proxy.example", Err("proxy.example is no network")),
        ] {
            let networks = text.parse::<TrustedProxies>().map(|networks| networks.to_string());
            match read {
                Ok(read) => assert_eq!(networks, Ok(read), "{text}"),
                Err(why) => assert!(networks.is_err_and(|error| error.starts_with(why)), "{text}"),
            }
        }
        assert_eq!(TrustedProxies::default(), "loopback".parse().expect("networks"));
    }

    #[test]
    fn a_household_is_one_caller() {
        for (address, counted) in [
            ("192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
        ] {
            let address: IpAddr = address.parse().expect("an address");
            assert_eq!(network(address).to_string(), counted);
        }
    }
}
