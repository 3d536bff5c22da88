//! A receiver of messages: an HTTP server on this host that counts, and does as it is told.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

use serde_json::Value;

use super::wait;

/// How it treats a request, once it has read all of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Manner {
    /// Takes it.
    Takes,
    /// Answers with this status.
    Says(u16),
    /// Answers 429 and asks to be left alone for so many seconds.
    Busy(u64),
    /// Never answers.
    Hangs,
    /// Answers one byte a second.
    Trickles,
    /// Closes the connection without a word: nobody knows whether it has taken it.
    Closes,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Post {
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// It was taken, as far as the other side can know.
    pub manner: Manner,
}

/// A moment in the life of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Moment {
    Read,
    Answered,
}

type Hook = Box<dyn FnMut(Moment) + Send>;

#[derive(Default)]
struct Shared {
    posts: Mutex<Vec<Post>>,
    manner: Mutex<Option<Manner>>,
    /// The manners of the next requests, before `manner` holds.
    next: Mutex<VecDeque<Manner>>,
    /// Manners of whole paths.
    paths: Mutex<Vec<(String, Manner)>>,
    hook: Mutex<Option<Hook>>,
    is_down: Mutex<bool>,
}

/// Listens until it is dropped.
pub struct Receiver {
    pub port: u16,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

impl Receiver {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut receiver = Self { port, shared: Arc::default(), listening: None };
        receiver.listen(listener);
        receiver
    }

    fn listen(&mut self, listener: TcpListener) {
        listener.set_nonblocking(true).unwrap();
        *self.shared.is_down.lock().unwrap() = false;
        let shared = self.shared.clone();
        self.listening = Some(thread::spawn(move || {
            while !*shared.is_down.lock().unwrap() {
                match listener.accept() {
                    Ok((stream, _)) => {
                        let shared = shared.clone();
                        // A client that is killed breaks off; that is no concern of the server.
                        thread::spawn(move || drop(serve(&stream, &shared)));
                    }
                    Err(_) => sleep(Duration::from_millis(2)),
                }
            }
        }));
    }

    /// Refuses all connections from here on.
    pub fn goes_down(&mut self) {
        *self.shared.is_down.lock().unwrap() = true;
        self.listening.take().map(JoinHandle::join).transpose().unwrap();
    }

    /// Listens again, at the same port.
    pub fn comes_back(&mut self) {
        self.listen(TcpListener::bind(("127.0.0.1", self.port)).unwrap());
    }

    pub fn henceforth(&self, manner: Manner) {
        *self.shared.manner.lock().unwrap() = Some(manner);
    }

    /// How requests are treated whose path begins so.
    pub fn on_path(&self, path: &str, manner: Manner) {
        self.shared.paths.lock().unwrap().insert(0, (path.to_owned(), manner));
    }

    /// How the next requests are treated.
    pub fn next(&self, manners: &[Manner]) {
        self.shared.next.lock().unwrap().extend(manners);
    }

    /// Calls `hook` at each moment of each request.
    pub fn on(&self, hook: impl FnMut(Moment) + Send + 'static) {
        *self.shared.hook.lock().unwrap() = Some(Box::new(hook));
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// All requests whose path begins so.
    pub fn posts(&self, path: &str) -> Vec<Post> {
        let posts = self.shared.posts.lock().unwrap();
        posts.iter().filter(|post| post.path.starts_with(path)).cloned().collect()
    }

    /// All messages that the webhook has taken.
    pub fn messages(&self) -> Vec<Value> {
        let posts = self.posts("/hook");
        let taken = posts.iter().filter(|post| post.manner == Manner::Takes);
        taken.map(|post| serde_json::from_str(&post.body).unwrap()).collect()
    }

    /// The headlines of all messages that the webhook has taken.
    pub fn headlines(&self) -> Vec<String> {
        let messages = self.messages();
        messages.iter().map(|it| it["certwatch"]["headline"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until the webhook has taken so many.
    pub fn wait_for_messages(&self, count: usize) -> Vec<Value> {
        wait::until(&format!("{count} messages"), || {
            let messages = self.messages();
            (messages.len() >= count).then_some(messages).ok_or_else(|| self.headlines())
        })
    }

    /// Waits until so many requests have come to `path`.
    pub fn wait_for_posts(&self, path: &str, count: usize) -> Vec<Post> {
        wait::until(&format!("{count} posts to {path}"), || {
            let posts = self.posts(path);
            if posts.len() >= count { Ok(posts) } else { Err(posts) }
        })
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        *self.shared.is_down.lock().unwrap() = true;
    }
}

impl Shared {
    fn manner_for(&self, path: &str) -> Manner {
        let next = self.next.lock().unwrap().pop_front();
        let paths = self.paths.lock().unwrap();
        let of_path = paths.iter().find(|(begin, _)| path.starts_with(begin)).map(|(_, it)| *it);
        next.or(of_path).or(*self.manner.lock().unwrap()).unwrap_or(Manner::Takes)
    }
}

fn serve(stream: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut post = read(stream)?;
    let manner = shared.manner_for(&post.path);
    post.manner = manner;
    let path = post.path.clone();
    shared.posts.lock().unwrap().push(post);
    tell(shared, Moment::Read);
    answer(stream, manner, &path)?;
    tell(shared, Moment::Answered);
    Ok(())
}

fn tell(shared: &Shared, moment: Moment) {
    if let Some(hook) = &mut *shared.hook.lock().unwrap() {
        hook(moment);
    }
}

fn read(stream: &TcpStream) -> std::io::Result<Post> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap())];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8(body).unwrap();
    Ok(Post { path, headers, body, manner: Manner::Takes })
}

fn answer(mut stream: &TcpStream, manner: Manner, path: &str) -> std::io::Result<()> {
    let body = if path.ends_with("chat.postMessage") {
        r#"{"ok":true,"ts":"1700000000.000100"}"#
    } else {
        "ok"
    };
    let whole = |status: u16, more: &str| {
        let length = body.len();
        format!(
            "HTTP/1.1 {status} x\r\n{more}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
    };
    match manner {
        Manner::Takes => stream.write_all(whole(200, "").as_bytes()),
        Manner::Says(status) => stream.write_all(whole(status, "").as_bytes()),
        Manner::Busy(pause) => {
            stream.write_all(whole(429, &format!("Retry-After: {pause}\r\n")).as_bytes())
        }
        Manner::Closes => Ok(()),
        Manner::Hangs => {
            // Until the other side gives up.
            stream.read(&mut [0]).map(drop)
        }
        Manner::Trickles => whole(200, "").bytes().try_for_each(|byte| {
            sleep(Duration::from_secs(1));
            stream.write_all(&[byte])
        }),
    }
}
