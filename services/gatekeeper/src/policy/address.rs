//! Which addresses the host of a pattern entry may resolve to.
//!
//! A pattern lets viewers choose the host, within limits; without this check they could choose one that resolves to the
//! worker itself, to a cloud's metadata service or to anything else inside. Pure: resolving is the caller's business.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether a stream may be opened to `address`. `allow_private` admits loopback, link-local and private ranges; what no
/// camera ever has is refused in any case.
pub(crate) fn is_allowed(address: IpAddr, allow_private: bool) -> bool {
    match class(address) {
        Class::Never => false,
        Class::Private => allow_private,
        Class::Public => true,
    }
}

enum Class {
    Public,
    /// Inside: loopback, link-local, private, shared, unique local.
    Private,
    /// Metadata services, multicast, unspecified, reserved.
    Never,
}

fn class(address: IpAddr) -> Class {
    match address {
        IpAddr::V4(v4) => class_v4(v4),
        IpAddr::V6(v6) => embedded(v6).map_or_else(|| class_v6(v6), class_v4),
    }
}

fn class_v4(v4: Ipv4Addr) -> Class {
    let [a, b, c, _] = v4.octets();
    let metadata = [[169, 254, 169, 254], [169, 254, 170, 2], [100, 100, 100, 200], [168, 63, 129, 16]];
    // 0/8 is "this network", 192.0.0/24 protocol assignments, 224/4 multicast, 240/4 reserved with broadcast.
    if metadata.contains(&v4.octets()) || a == 0 || a >= 224 || (a, b, c) == (192, 0, 0) {
        return Class::Never;
    }
    let shared = a == 100 && (64..128).contains(&b);
    let benchmark = a == 198 && (18..20).contains(&b);
    if v4.is_loopback() || v4.is_link_local() || v4.is_private() || v4.is_documentation() || shared || benchmark {
        return Class::Private;
    }
    Class::Public
}

fn class_v6(v6: Ipv6Addr) -> Class {
    let [first, second, ..] = v6.segments();
    let metadata = v6 == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    if metadata || v6.is_unspecified() || v6.is_multicast() {
        return Class::Never;
    }
    let site_local = first & 0xffc0 == 0xfec0;
    let documentation = (first, second) == (0x2001, 0xdb8);
    if v6.is_loopback() || v6.is_unicast_link_local() || v6.is_unique_local() || site_local || documentation {
        return Class::Private;
    }
    // Only 2000::/3 is global unicast; the rest is reserved.
    if first & 0xe000 == 0x2000 { Class::Public } else { Class::Never }
}

/// The IPv4 address that an IPv6 address only wraps: mapped, compatible, NAT64, 6to4 and Teredo.
fn embedded(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match v6.segments() {
        // `::` and `::1` have a meaning of their own.
        [0, 0, 0, 0, 0, 0, 0, _] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            v4(high, low)
        }
        [0x2001, 0, .., high, low] => v4(!high, !low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn inside_addresses_need_permission_and_some_never_get_it() {
        for (address, plain, with_permission) in [
            ("8.8.8.8", true, true),
            ("2a00:1450:4001::1", true, true),
            ("127.0.0.1", false, true),
            ("127.8.9.1", false, true),
            ("10.1.2.3", false, true),
            ("172.16.0.1", false, true),
            ("172.32.0.1", true, true),
            ("192.168.1.1", false, true),
            ("169.254.1.1", false, true),
            ("100.64.0.1", false, true),
            ("100.127.255.255", false, true),
            ("100.128.0.1", true, true),
            ("198.18.0.1", false, true),
            ("::1", false, true),
            ("fe80::1", false, true),
            ("fc00::1", false, true),
            ("fd12:3456::1", false, true),
            ("fec0::1", false, true),
            ("::ffff:127.0.0.1", false, true),
            ("::ffff:10.0.0.1", false, true),
            ("::127.0.0.1", false, true),
            ("::ffff:8.8.8.8", true, true),
            ("64:ff9b::7f00:1", false, true),
            ("2002:7f00:1::", false, true),
            ("2002:0a00:0001::1", false, true),
            ("2001:0:4136:e378:8000:63bf:80ff:fffe", false, true),
            ("169.254.169.254", false, false),
            ("::ffff:169.254.169.254", false, false),
            ("169.254.170.2", false, false),
            ("100.100.100.200", false, false),
            ("fd00:ec2::254", false, false),
            ("0.0.0.0", false, false),
            ("0.1.2.3", false, false),
            ("::", false, false),
            ("224.0.0.1", false, false),
            ("ff02::1", false, false),
            ("255.255.255.255", false, false),
            ("240.0.0.1", false, false),
            ("192.0.0.1", false, false),
        ] {
            let parsed: IpAddr = address.parse().expect(address);
            assert_eq!(is_allowed(parsed, false), plain, "{address}");
            assert_eq!(is_allowed(parsed, true), with_permission, "{address} with allowPrivate");
        }
    }

    proptest! {
        #[test]
        fn wrapping_an_ipv4_address_changes_nothing(bits: u32, allow_private: bool) {
            let v4 = Ipv4Addr::from(bits);
            let plain = is_allowed(v4.into(), allow_private);
            prop_assert_eq!(is_allowed(v4.to_ipv6_mapped().into(), allow_private), plain);
        }

        #[test]
        fn permission_only_ever_adds(bits: u128) {
            let address = IpAddr::from(Ipv6Addr::from(bits));
            prop_assert!(!is_allowed(address, false) || is_allowed(address, true));
        }
    }
}
