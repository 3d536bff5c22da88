//! Who listens where, by `/proc/net/tcp` and `/proc/net/tcp6` (Documentation/networking/proc_net_tcp.rst).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// `TCP_LISTEN` of `include/net/tcp_states.h`.
const LISTEN: &str = "0A";

/// True if one of these sockets listens at `address`. Two that listen on all addresses are the same, of whichever family:
/// Go listens on `[::]` for `0.0.0.0`.
pub(crate) fn listens(table: &[u8], address: SocketAddr) -> bool {
    let is_it = |found: SocketAddr| {
        let (is, wanted) = (found.ip(), address.ip());
        let is_same = is == wanted || is.is_unspecified() && wanted.is_unspecified();
        found.port() == address.port() && is_same
    };
    String::from_utf8_lossy(table).lines().filter_map(listener).any(is_it)
}

/// `sl local_address rem_address st …`, of which the first line is the heading.
fn listener(line: &str) -> Option<SocketAddr> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (local, _, state) = (fields.next()?, fields.next()?, fields.next()?);
    let (ip, port) = local.split_once(':').filter(|_| state == LISTEN)?;
    Some(SocketAddr::new(read_ip(ip)?, u16::from_str_radix(port, 16).ok()?))
}

/// Words of 32 bits, each written as a number of this machine's though it holds bytes in the order of the network.
fn read_ip(text: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let word = u32::from_str_radix(text.get(at * 8..at * 8 + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    match text.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            Some(Ipv6Addr::from(bytes).to_canonical())
        }
        _ => None,
    }
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::*;

    const TCP: &[u8] = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0CEA 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:192B 0100007F:A1B2 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0 20 4 30 10 -1
";
    const TCP6: &[u8] = b"  sl  local_address                         remote_address                        st
   0: 00000000000000000000000000000000:192B 00000000000000000000000000000000:0000 0A 00000000:00000000
   1: 000000FD000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000
   2: 0000000000000000FFFF00000100007F:1F91 00000000000000000000000000000000:0000 0A 00000000:00000000
";

    #[test]
    fn who_listens_is_told_from_who_is_connected() {
        let at = |address: &str| address.parse().unwrap();
        assert!(listens(TCP, at("127.0.0.1:3306")));
        assert!(!listens(TCP, at("127.0.0.1:6443")), "that is a connection");
        assert!(!listens(TCP, at("0.0.0.0:3306")) && !listens(TCP, at("127.0.0.2:3306")));
        for address in ["0.0.0.0:6443", "[::]:6443", "[fd00::1]:8080", "127.0.0.1:8081"] {
            assert!(listens(TCP6, at(address)), "{address}");
        }
        assert!(!listens(TCP6, at("10.0.0.1:6443")), "another's, or nobody's");
        assert!(!listens(b"", at("0.0.0.0:6443")));
        assert!(!listens("x y:é z 0A\n0: 0:0 0 0A".as_bytes(), at("0.0.0.0:0")));
    }
}
