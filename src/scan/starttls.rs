//! What is said in clear text before TLS begins.

use std::io::{self, Read, Write};
use std::net::IpAddr;

use crate::domain::endpoint::StartTls;

/// Far above every reply of a mail server.
const MAX_REPLY: usize = 8 << 10;

/// `SSLRequest` of PostgreSQL: its own length, and 80877103 in the place of a version.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Brings `stream` to where TLS begins; `local` is its own address. Nothing is read beyond that, so that nothing said in
/// clear text counts as said through TLS.
///
/// # Errors
/// The server does not offer TLS, or says what has no meaning here.
pub(super) fn upgrade(
    stream: &mut (impl Read + Write),
    kind: StartTls,
    local: IpAddr,
) -> io::Result<()> {
    match kind {
        StartTls::None => Ok(()),
        StartTls::Postgres => postgres(stream),
        StartTls::Smtp => smtp(stream, local),
    }
}

fn postgres(stream: &mut (impl Read + Write)) -> io::Result<()> {
    stream.write_all(&SSL_REQUEST)?;
    let mut answer = [0];
    stream.read_exact(&mut answer)?;
    match answer {
        [b'S'] => Ok(()),
        [b'N'] => Err(io::Error::other("it does not offer TLS (PostgreSQL's ssl is off)")),
        _ => Err(io::Error::other("it does not answer as PostgreSQL does")),
    }
}

fn smtp(stream: &mut (impl Read + Write), local: IpAddr) -> io::Result<()> {
    expect(&reply(stream)?, "220")?;
    // An address always stands where there may be no full name (RFC 5321, 4.1.4).
    let name = match local.to_canonical() {
        IpAddr::V4(address) => format!("[{address}]"),
        IpAddr::V6(address) => format!("[IPv6:{address}]"),
    };
    stream.write_all(format!("EHLO {name}\r\n").as_bytes())?;
    let offers = reply(stream)?;
    expect(&offers, "250")?;
    let is_offered =
        |line: &str| line.get(4..).is_some_and(|it| it.eq_ignore_ascii_case("starttls"));
    if !offers.iter().any(|line| is_offered(line)) {
        return Err(io::Error::other("it does not offer STARTTLS"));
    }
    stream.write_all(b"STARTTLS\r\n")?;
    expect(&reply(stream)?, "220")
}

/// The lines of a reply, of which all but the last have a `-` behind the code (RFC 5321, 4.2.1).
fn reply(stream: &mut impl Read) -> io::Result<Vec<String>> {
    let mut lines = Vec::new();
    let mut line = Vec::new();
    let mut byte = [0];
    for _ in 0..MAX_REPLY {
        // One by one: what comes behind the reply is not ours to read.
        if stream.read(&mut byte)? == 0 {
            break;
        }
        match byte[0] {
            b'\n' => {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                let is_last = text.as_bytes().get(3) != Some(&b'-');
                lines.push(text);
                if is_last {
                    return Ok(lines);
                }
                line.clear();
            }
            byte => line.push(byte),
        }
    }
    Err(io::Error::other(if lines.is_empty() && line.is_empty() {
        "it closes the connection"
    } else {
        "it does not answer as a mail server does"
    }))
}

fn expect(reply: &[String], code: &str) -> io::Result<()> {
    let last = reply.last().map_or("", |line| line);
    if last.starts_with(code) {
        return Ok(());
    }
    let code = last.get(..3).filter(|code| code.bytes().all(|it| it.is_ascii_digit()));
    Err(io::Error::other(match code {
        Some(code) => format!("the mail server answers with {code}"),
        None => "it does not answer as a mail server does".to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    /// What is to be read, and what was written.
    struct Peer(Cursor<Vec<u8>>, Vec<u8>);

    impl Read for Peer {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }

    impl Write for Peer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1.extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What was written and left unread; or why not.
    fn after(kind: StartTls, says: &[u8]) -> Result<(String, String), String> {
        let mut peer = Peer(Cursor::new(says.to_vec()), Vec::new());
        let local = "::ffff:192.0.2.1".parse().unwrap();
        upgrade(&mut peer, kind, local).map_err(|error| error.to_string())?;
        let mut left = String::new();
        let _ = peer.0.read_to_string(&mut left);
        Ok((String::from_utf8_lossy(&peer.1).into_owned(), left))
    }

    #[test]
    fn a_mail_server_is_asked_and_nothing_is_read_beyond_its_consent() {
        let says = "220-hello\r\n220 mail ESMTP\r\n250-mail\r\n250-SIZE\n250 StartTls\r\n220 go\r\n250 injected\r\n";
        let (said, left) = after(StartTls::Smtp, says.as_bytes()).unwrap();
        assert_eq!(said, "EHLO [192.0.2.1]\r\nSTARTTLS\r\n");
        assert_eq!(left, "250 injected\r\n");
    }

    #[test]
    fn what_is_no_consent_is_said() {
        let why = |says: &str| after(StartTls::Smtp, says.as_bytes()).unwrap_err();
        assert_eq!(why(""), "it closes the connection");
        assert_eq!(why("554 no\r\n"), "the mail server answers with 554");
        assert_eq!(why("SSH-2.0-OpenSSH\r\n"), "it does not answer as a mail server does");
        assert_eq!(why("220 a\r\n250-a\r\n250 SIZE\r\n"), "it does not offer STARTTLS");
        assert_eq!(
            why("220 a\r\n250-a\r\n250 STARTTLS\r\n454 later\r\n"),
            "the mail server answers with 454"
        );
        assert_eq!(why(&"220-\r\n".repeat(10_000)), "it does not answer as a mail server does");
    }

    #[test]
    fn postgresql_says_yes_or_no() {
        assert_eq!(after(StartTls::Postgres, b"SX").unwrap().1, "X");
        let why = |says: &[u8]| after(StartTls::Postgres, says).unwrap_err();
        assert_eq!(why(b"N"), "it does not offer TLS (PostgreSQL's ssl is off)");
        assert_eq!(why(b"E...FATAL"), "it does not answer as PostgreSQL does");
    }

    proptest! {
        #[test]
        fn whatever_is_said_it_ends(says in prop::collection::vec(any::<u8>(), 0..200)) {
            for kind in [StartTls::Smtp, StartTls::Postgres] {
                let _ = after(kind, &says);
            }
        }
    }
}
