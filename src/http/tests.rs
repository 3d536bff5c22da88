//! Against servers of this test.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::*;

fn client() -> Client {
    Client::new(ClientOptions {
        trust: Trust::Anyone,
        identity: None,
        proxy: None,
        timeout: Duration::from_secs(5),
        max_body: 16,
    })
}

/// Takes one request, gives that answer, and closes; the URL, and what was asked.
fn server(answer: &'static str) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/SECRET", listener.local_addr().unwrap());
    let asked = thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let mut text = Vec::new();
        let mut byte = [0];
        // The bodies of this test end with a brace.
        while !text.ends_with(b"\r\n\r\n") || text.starts_with(b"P") {
            if stream.read(&mut byte).unwrap() == 0 || byte == *b"}" {
                break;
            }
            text.push(byte[0]);
        }
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(text).unwrap().to_lowercase()
    });
    (url, asked)
}

#[test]
fn status_headers_and_body_come_back_for_every_method() {
    const ANSWER: &str = "HTTP/1.1 409 Conflict\r\nX-A: b\r\nContent-Length: 5\r\n\r\nhello";
    let token = ("Authorization", "Bearer t");
    for (method, json) in
        [(Method::GET, None), (Method::POST, Some("{\"a\":1}")), (Method::PUT, Some("{\"a\":1}"))]
    {
        let (url, asked) = server(ANSWER);
        let mut request = match json {
            Some(json) => Request::json(method.clone(), &url, json),
            None => Request::get(&url),
        };
        request.headers.push(token);
        let answer = client().send(&request).and_then(Response::whole).unwrap();
        assert_eq!((answer.status, answer.header("x-a")), (409, Some("b")));
        assert_eq!(answer.body, b"hello");
        let asked = asked.join().unwrap();
        let first = format!("{method} /secret http/1.1\r\n").to_lowercase();
        assert!(asked.starts_with(&first), "{asked}");
        assert!(asked.contains("authorization: bearer t\r\n"), "{asked}");
        let is_json = asked.contains("content-type: application/json\r\n");
        assert_eq!((is_json, asked.ends_with("{\"a\":1")), (json.is_some(), json.is_some()));
    }
}

#[test]
fn a_body_is_cut_off_at_the_bound_and_not_whole_if_it_breaks_off() {
    let answered = |answer| client().send(&Request::get(&server(answer).0)).unwrap();
    let long = answered("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n0123456789abcdefghij");
    assert_eq!((&*long.body, long.broken.is_none()), (&b"0123456789abcdef"[..], true));
    let broken = answered("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n012");
    assert_eq!(broken.body, b"012");
    assert!(broken.whole().is_err());
}

#[test]
fn no_error_quotes_the_url_or_a_header() {
    let (garbage, _) = server("SECRET\r\n\r\n");
    for url in ["http://127.0.0.1:1/SECRET", "http://a b/SECRET", "SECRET", "", &garbage] {
        let why = client().send(&Request::get(url)).err().unwrap().to_string();
        assert!(!why.contains("SECRET") && !why.is_empty(), "{url}: {why}");
    }
    let request = Request { headers: vec![("A", "SECRET\n")], ..Request::get(&garbage) };
    assert!(matches!(client().send(&request), Err(Error::InvalidRequest)));
}
