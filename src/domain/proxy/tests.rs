use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

fn is_excepted(list: &str, host: &str, port: u16) -> bool {
    list.split(',').filter_map(Exception::parse).any(|it| it.covers(host, port))
}

/// The rules of golang.org/x/net/http/httpproxy.
#[test]
fn exceptions_mean_what_they_mean_to_go() {
    let table = [
        // Names: the name and what is below it; with a dot, what is below it alone.
        ("example.org", "example.org", true),
        ("example.org", "a.b.example.org", true),
        ("example.org", "EXAMPLE.ORG", true),
        ("Example.Org", "example.org", true),
        // With a dot at its end it is another name.
        ("example.org", "example.org.", false),
        ("example.org", "a.example.org.", false),
        ("example.org.", "example.org", false),
        ("example.org.", "example.org.", true),
        ("example.org.", "A.example.org.", true),
        ("LOCALHOST.example", "localhost.Example", true),
        ("example.org", "badexample.org", false),
        ("example.org", "example.org.evil.net", false),
        (".example.org", "a.example.org", true),
        (".example.org", "example.org", false),
        ("*.example.org", "a.b.example.org", true),
        ("*.example.org", "example.org", false),
        ("*.example.org", "aexample.org", false),
        ("alertmanager", "alertmanager", true),
        ("alertmanager", "alertmanager2", false),
        (" a.org , b.org ", "b.org", true),
        ("*", "anything.example", true),
        ("*", "192.0.2.1", true),
        ("a*.org", "ab.org", false),
        // Ports.
        ("example.org:443", "example.org", true),
        ("example.org:8443", "example.org", false),
        ("192.0.2.1:443", "192.0.2.1", true),
        ("192.0.2.1:80", "192.0.2.1", false),
        ("[2001:db8::1]:443", "2001:db8::1", true),
        ("[2001:db8::1]:80", "2001:db8::1", false),
        ("example.org:https", "example.org", false),
        ("example.org:0443", "example.org", false),
        ("example.org:+443", "example.org", false),
        ("example.org:443:", "example.org", false),
        ("example.org:", "a.example.org", true),
        (".example.org:443", "a.example.org", true),
        ("192.0.2.1:", "192.0.2.1", true),
        ("[2001:db8::1]:", "2001:db8::1", true),
        ("[192.0.2.1]:443", "192.0.2.1", true),
        ("[example.org]:443", "example.org", true),
        // Brackets are for a port.
        ("[2001:db8::1]", "2001:db8::1", false),
        ("[example.org]", "example.org", false),
        ("*:443", "example.org", false),
        // Addresses and networks. Names are not looked up, and no suffix matches an address.
        ("192.0.2.1", "192.0.2.1", true),
        ("192.0.2.1", "192.0.2.11", false),
        ("2.1", "192.0.2.1", false),
        (".1", "192.0.2.1", false),
        ("2001:db8::1", "2001:db8:0::1", true),
        ("192.0.2.1", "::ffff:192.0.2.1", true),
        ("10.0.0.0/8", "10.200.3.4", true),
        ("10.9.9.9/8", "10.200.3.4", true),
        ("10.0.0.0/8", "11.0.0.1", false),
        ("10.0.0.0/8", "ten.example.org", false),
        ("0.0.0.0/0", "203.0.113.9", true),
        ("0.0.0.0/0", "2001:db8::1", false),
        ("2001:db8::/32", "2001:db8:ffff::1", true),
        ("2001:db8::/32", "2001:db9::1", false),
        ("::/0", "2001:db8::1", true),
        ("::/0", "192.0.2.1", false),
        ("::/0", "::ffff:192.0.2.1", false),
        ("::ffff:10.0.0.0/104", "10.200.3.4", true),
        ("::ffff:10.0.0.0/104", "::ffff:10.200.3.4", true),
        ("::ffff:10.0.0.0/104", "11.0.0.1", false),
        ("::ffff:0:0/96", "203.0.113.9", true),
        ("::ffff:0:0/95", "203.0.113.9", false),
        ("10.0.0.0/8", "::ffff:10.200.3.4", true),
        ("::ffff:192.0.2.1", "192.0.2.1", true),
        // What means nothing excepts nobody.
        ("", "example.org", false),
        (",,", "example.org", false),
        (".", "example.org", false),
        (":443", "example.org", false),
        ("10.0.0.0/33", "10.0.0.1", false),
        ("10.0.0.0/+8", "10.0.0.1", false),
        ("10.0.0/8", "10.0.0.1", false),
        ("10.0.0.0/", "10.0.0.1", false),
        ("b\u{fc}cher.example", "xn--bcher-kva.example", false),
        ("https://example.org", "example.org", false),
    ];
    for (list, host, expected) in table {
        assert_eq!(is_excepted(list, host, 443), expected, "{list:?} {host}");
    }
}

#[test]
fn this_host_is_local() {
    for host in ["localhost", "LOCALHOST", "localhost.", "127.0.0.1", "127.9.8.7", "::1"] {
        assert!(is_local(host), "{host}");
    }
    assert!(is_local("::ffff:127.0.0.1"));
    for host in ["localhost.example.org", "127.0.0.1.example.org", "notlocalhost", "128.0.0.1", ""]
    {
        assert!(!is_local(host), "{host}");
    }
}

fn environment<'a>(all: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<String> + 'a {
    |name| all.iter().find(|(it, _)| *it == name).map(|(_, value)| (*value).to_owned())
}

#[test]
fn the_environment_is_read_as_go_and_curl_read_it() {
    let found = |is_tls, all: &[(&str, &str)]| variable(is_tls, environment(all)).map(|it| it.0);
    assert_eq!(found(true, &[]), None);
    assert_eq!(found(true, &[("HTTP_PROXY", "p")]), None);
    assert_eq!(found(false, &[("HTTPS_PROXY", "p")]), None);
    let both = [("https_proxy", "p"), ("HTTPS_PROXY", "q"), ("ALL_PROXY", "r")];
    assert_eq!(found(true, &both), Some("HTTPS_PROXY"));
    assert_eq!(found(false, &both), Some("ALL_PROXY"));
    assert_eq!(found(true, &[("HTTPS_PROXY", ""), ("https_proxy", "p")]), Some("https_proxy"));
    assert_eq!(found(true, &[("HTTPS_PROXY", " ")]), None);
    assert_eq!(found(false, &[("all_proxy", "p")]), Some("all_proxy"));
    // httpoxy.
    let cgi = [("REQUEST_METHOD", "GET"), ("HTTP_PROXY", "p")];
    assert_eq!(found(false, &cgi), None);
    assert_eq!(found(false, &[cgi[0], cgi[1], ("http_proxy", "q")]), Some("http_proxy"));
    assert_eq!(found(true, &[cgi[0], ("HTTPS_PROXY", "p")]), Some("HTTPS_PROXY"));

    let list = |all: &[(&str, &str)]| exceptions(environment(all)).join("|");
    assert_eq!(list(&[("no_proxy", "a,b"), ("NO_PROXY", "")]), "a|b");
    assert_eq!(list(&[("no_proxy", "a"), ("NO_PROXY", "c")]), "c");
}

#[test]
fn a_proxy_is_an_http_url() {
    let parts = |url| Proxy::parse(url).map(|it| (it.host.clone(), it.port, it.has_login()));
    let plain = |host: &str, port| Some((host.to_owned(), port, false));
    assert_eq!(parts("http://proxy.example.org:3128"), plain("proxy.example.org", 3128));
    assert_eq!(parts("http://proxy.example.org:3128/"), plain("proxy.example.org", 3128));
    assert_eq!(parts("HTTP://proxy"), plain("proxy", 80));
    assert_eq!(parts(" proxy.example.org:3128 "), plain("proxy.example.org", 3128));
    assert_eq!(parts("http://[2001:db8::1]:3128"), plain("2001:db8::1", 3128));
    assert_eq!(parts("http://[2001:db8::1]"), plain("2001:db8::1", 80));
    for url in [
        "",
        "http://",
        "https://proxy:3128",
        "socks5://proxy:1080",
        "http://proxy:port",
        "http://proxy:0",
        "http://proxy:+80",
        "http://proxy:65536",
        "http://proxy/path",
        "http://proxy?x",
        "http://a b",
        "http://proxy\r\nX: y",
        "http://[::1",
        "http://[::1]x",
        "http://user:100%@proxy",
        "http://user:%0d%0a@proxy",
        "http://user:%ff@proxy",
        "http:proxy",
    ] {
        assert_eq!(parts(url), None, "{url:?}");
    }
}

#[test]
fn a_login_is_decoded_once() {
    let login = |url: &str| Proxy::parse(url).and_then(|it| it.authorization());
    let basic = |text: &str| Some(format!("Basic {}", STANDARD.encode(text)));
    assert_eq!(login("http://proxy"), None);
    assert_eq!(login("http://u:p@proxy"), basic("u:p"));
    assert_eq!(login("http://u@proxy"), basic("u:"));
    assert_eq!(login("http://dom%5Cu:p%40s%2525%3a+@proxy:3128"), basic("dom\\u:p@s%25:+"));
    assert_eq!(login("http://u:p@ss@proxy"), basic("u:p@ss"));
    assert_eq!(login("u:p\u{fc}@proxy"), basic("u:p\u{fc}"));
}

fn name() -> impl Strategy<Value = String> {
    // With a letter in the last part neither it nor what is below it looks like an address.
    let above = prop::collection::vec("[a-z0-9][a-z0-9-]{0,5}", 0..3);
    (above, "[a-z][a-z0-9-]{0,5}").prop_map(|(above, last)| {
        above.iter().map(|part| format!("{part}.")).collect::<String>() + &last
    })
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))),
        any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits)).to_canonical()),
    ]
}

proptest! {
    #[test]
    fn any_text_is_judged(text in "\\PC{0,60}|[a-z0-9:@/%.\\[\\]*-]{0,40}", port in any::<u16>()) {
        let _ = Proxy::parse(&text);
        if let Some(it) = Exception::parse(&text) {
            it.covers(&text, port);
        }
    }

    #[test]
    fn a_name_covers_itself_and_what_is_below_and_nothing_beside(
        name in name(), below in name(), port in any::<u16>(), other in any::<u16>(),
    ) {
        let [plain, dotted, starred, at] = [
            name.clone(), format!(".{name}"), format!("*.{name}"), format!("{name}:{port}"),
        ].map(|entry| Exception::parse(&entry).unwrap());
        let child = format!("{below}.{name}");
        prop_assert!(plain.covers(&name, port) && plain.covers(&child, other));
        prop_assert!(dotted.covers(&child, port) && !dotted.covers(&name, port));
        prop_assert_eq!(&dotted, &starred);
        prop_assert!(at.covers(&name, port) && at.covers(&child, port));
        prop_assert_eq!(at.covers(&name, other), other == port);
        let sibling = format!("{below}{name}");
        let (suffix, above) = (format!(".{name}"), format!("{name}.{below}.invalid"));
        prop_assert_eq!(dotted.covers(&sibling, port), sibling.ends_with(&suffix));
        prop_assert!(!plain.covers(&above, port));
    }

    #[test]
    fn a_network_covers_what_shares_its_first_bits(
        address in address(), bits in 0..=128_u8, flip in 0..128_u8,
    ) {
        let width = if address.is_ipv4() { 32 } else { 128 };
        let (bits, flip) = (bits.min(width), flip % width);
        let network = Exception::parse(&format!("{address}/{bits}")).unwrap();
        prop_assert!(network.covers(&address.to_string(), 443));
        let flipped = match address {
            IpAddr::V4(it) => IpAddr::V4(Ipv4Addr::from_bits(it.to_bits() ^ (1 << (31 - flip)))),
            IpAddr::V6(it) => IpAddr::V6(Ipv6Addr::from_bits(it.to_bits() ^ (1 << (127 - flip)))),
        };
        // A mapped address counts as the one of IPv4.
        if flipped == flipped.to_canonical() {
            prop_assert_eq!(network.covers(&flipped.to_string(), 443), flip >= bits);
        }
    }

    #[test]
    fn a_url_reads_back(user in "[a-z]{1,8}", password in "\\PC{0,12}", name in name(), port in 1..u16::MAX) {
        let encode = |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02x}")).collect() };
        let url = format!("http://{user}:{}@{name}:{port}", encode(&password));
        let proxy = Proxy::parse(&url).unwrap();
        prop_assert_eq!((&proxy.host, proxy.port), (&name, port));
        let expected = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        prop_assert_eq!(proxy.authorization(), Some(expected));
    }
}
