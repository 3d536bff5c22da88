//! A mail server that does what a test wants.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What the server does when it should answer.
#[derive(Clone, Copy)]
pub(super) enum Act {
    /// Says this, which may be several lines.
    Say(&'static str),
    /// Says this for ever, until the other side is gone.
    SayForEver(&'static str),
    /// Says a letter of a word without end, now and then.
    Trickle,
    /// Says nothing, until the other side is gone.
    Hang,
    /// Closes the connection.
    Close,
}

/// A server on loopback.
pub(super) struct Server {
    pub(super) port: u16,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Server {
    /// One that does what `script` says: of the first word of what it hears, in upper case; of the
    /// empty word at the beginning, and of `.` at the end of a mail.
    pub(super) fn new(script: impl Fn(&str) -> Act + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let notes = heard.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                // An error is a client that has gone.
                let _ = converse(&stream.unwrap(), &script, &notes);
            }
        });
        Self { port, heard }
    }

    /// All that it was told so far.
    pub(super) fn heard(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().unwrap()).into_owned()
    }
}

/// What a server says that likes everything.
pub(super) fn polite(word: &str) -> Act {
    Act::Say(match word {
        "" => "220 mail.example.org ESMTP\r\n",
        "EHLO" => "250-mail.example.org\r\n250-SIZE 1000000\r\n250 AUTH PLAIN LOGIN\r\n",
        "AUTH" => "235 2.7.0 in\r\n",
        "DATA" => "354 go on\r\n",
        "QUIT" => "221 bye\r\n",
        _ => "250 2.0.0 fine\r\n",
    })
}

fn converse(
    stream: &TcpStream,
    script: &impl Fn(&str) -> Act,
    heard: &Mutex<Vec<u8>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut word, mut is_mail) = (String::new(), false);
    loop {
        if !is_mail || word == "." {
            act(stream, script(&word))?;
            is_mail =
                word == "DATA" && matches!(script("DATA"), Act::Say(said) if said.starts_with('3'));
        }
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        heard.lock().unwrap().extend(&line);
        let line = String::from_utf8_lossy(&line).to_uppercase();
        word = line.split_whitespace().next().unwrap_or_default().to_owned();
    }
}

fn act(mut stream: &TcpStream, act: Act) -> std::io::Result<()> {
    match act {
        Act::Say(text) => stream.write_all(text.as_bytes()),
        Act::SayForEver(text) => loop {
            stream.write_all(text.as_bytes())?;
        },
        Act::Trickle => loop {
            stream.write_all(b"2")?;
            thread::sleep(Duration::from_millis(10));
        },
        Act::Hang => std::io::copy(&mut stream, &mut std::io::sink()).map(drop),
        Act::Close => stream.shutdown(std::net::Shutdown::Both),
    }
}
