//! A strict HTTP proxy on loopback, which can behave badly, and sends every name to this host.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

const MAX_HEAD: usize = 16 << 10;

/// How it answers.
#[derive(Clone, Debug)]
pub enum Manner {
    /// As it should, to whom has this `Proxy-Authorization`, if one is given.
    Honest(Option<&'static str>),
    /// With this status, and no tunnel.
    Status(u16),
    /// Not at all.
    Hang,
    /// With success, byte by byte, and without an end.
    Trickle,
    /// With a header without an end.
    Endless,
    /// By closing the connection.
    Close,
    /// With what is not HTTP.
    Garbage,
    /// With success, and what is no TLS behind it.
    Inject,
}

/// What came to it: the head of each request, and of tunnels what went up.
#[derive(Clone, Debug)]
pub struct Seen {
    pub head: String,
    pub tunnelled: Vec<u8>,
}

/// A proxy that runs until the test ends.
pub struct Proxy {
    pub port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Proxy {
    pub fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (manner, log) = (manner.clone(), Arc::clone(&log));
                thread::spawn(move || serve(stream, &manner, &log));
            }
        });
        Self { port, seen }
    }

    /// All that came so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, manner: &Manner, log: &Arc<Mutex<Vec<Seen>>>) {
    stream.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
    let Some(head) = head(&mut stream) else { return };
    let at = {
        let mut log = log.lock().unwrap();
        log.push(Seen { head: head.clone(), tunnelled: Vec::new() });
        log.len() - 1
    };
    // The client may be gone, which is what some tests are about.
    let _ = match manner {
        Manner::Honest(login) => honest(stream, &head, *login, |bytes| {
            log.lock().unwrap()[at].tunnelled.extend(bytes);
        }),
        Manner::Status(status) => refuse(&mut stream, *status),
        Manner::Hang => std::io::copy(&mut stream, &mut std::io::sink()).map(drop),
        Manner::Trickle => trickle(&mut stream),
        Manner::Endless => endless(&mut stream),
        Manner::Close => Ok(()),
        Manner::Garbage => stream.write_all(b"220 mail.example.org ESMTP\r\n"),
        Manner::Inject => stream
            .write_all(b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            .and_then(|()| stream.read(&mut [0; 4096]).map(drop)),
    };
}

/// The rules of RFC 9110 and 9112, each of which a client could get wrong.
fn honest(
    mut stream: TcpStream,
    head: &str,
    login: Option<&str>,
    note: impl Fn(&[u8]),
) -> std::io::Result<()> {
    let mut lines = head.split("\r\n");
    let first: Vec<_> = lines.next().unwrap().split(' ').collect();
    let [method, target, "HTTP/1.1"] = first[..] else { return refuse(&mut stream, 400) };
    let headers: Vec<_> = lines.filter_map(|line| line.split_once(": ")).collect();
    let all = |name: &str| -> Vec<&str> {
        let named = headers.iter().filter(|(it, _)| it.eq_ignore_ascii_case(name));
        named.map(|(_, value)| *value).collect()
    };
    if let Some(login) = login
        && all("proxy-authorization") != [login]
    {
        return refuse(&mut stream, 407);
    }
    let rest = match method {
        "CONNECT" => Some(target),
        // What is for TLS must not be asked for in clear.
        _ => target.strip_prefix("http://"),
    };
    let Some(authority) = rest.map(|rest| rest.split('/').next().unwrap()) else {
        return refuse(&mut stream, 400);
    };
    let Some((_, port)) = authority.rsplit_once(':') else { return refuse(&mut stream, 400) };
    if all("host") != [authority] {
        return refuse(&mut stream, 400);
    }
    let Ok(mut upstream) = TcpStream::connect(("127.0.0.1", port.parse().unwrap())) else {
        return refuse(&mut stream, 502);
    };
    if method == "CONNECT" {
        // What belongs to the request has no business here.
        let allowed = ["host", "user-agent", "proxy-authorization"];
        assert!(
            headers.iter().all(|(it, _)| allowed.contains(&it.to_lowercase().as_str())),
            "{head}"
        );
        stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    } else {
        let path = &target["http://".len() + authority.len()..];
        let kept = headers.iter().filter(|(it, _)| !it.eq_ignore_ascii_case("proxy-authorization"));
        let kept: String = kept.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        write!(upstream, "{method} {path} HTTP/1.1\r\n{kept}\r\n")?;
    }
    let (mut from, mut back) = (stream.try_clone()?, upstream.try_clone()?);
    thread::spawn(move || {
        let _ = std::io::copy(&mut back, &mut stream);
        let _ = stream.shutdown(Shutdown::Both);
    });
    let mut buffer = [0; 4096];
    loop {
        let length = from.read(&mut buffer)?;
        if length == 0 {
            return upstream.shutdown(Shutdown::Write);
        }
        note(&buffer[..length]);
        upstream.write_all(&buffer[..length])?;
    }
}

fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
        assert!(head.len() < MAX_HEAD, "the head has no end");
    }
    Some(String::from_utf8(head).expect("headers are ASCII"))
}

fn refuse(stream: &mut TcpStream, status: u16) -> std::io::Result<()> {
    let body = "<html>SECRET</html>";
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nX-Squid-Error: ERR 0\r\nProxy-Authenticate: Basic realm=\"SECRET\"\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    // Until the client goes, so that what it sends meets nobody's reset.
    stream.shutdown(Shutdown::Write)?;
    std::io::copy(stream, &mut std::io::sink()).map(drop)
}

fn trickle(stream: &mut TcpStream) -> std::io::Result<()> {
    for byte in b"HTTP/1.1 200 OK\r\nX: ".iter().chain(std::iter::repeat(&b'o')) {
        stream.write_all(&[*byte])?;
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn endless(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\nX: ")?;
    loop {
        stream.write_all(&[b'o'; 4096])?;
    }
}
