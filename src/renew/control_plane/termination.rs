//! A component's end: SIGTERM, and SIGKILL once it has had its time.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::domain::renewal::termination::Grace;
use crate::fs::read;
use crate::node::process::{Ending, Process};
use crate::parse::listeners;

/// How often it is asked whether somebody still listens. An end is noticed at once.
const EVERY: Duration = Duration::from_millis(100);

/// How long the kernel may take to end what was killed.
const DIES: Duration = Duration::from_secs(10);

/// Most of a list of sockets that is read. Those that listen stand first.
const MAX_SOCKETS: u64 = 1 << 20;

/// A process that was told to end.
pub(super) struct Termination {
    ending: Ending,
    told: Instant,
    listener: Listener,
    grace: Grace,
}

/// What is known of the port of a process. One that was never seen to be open was not seen to close either.
enum Listener {
    Unknown,
    Open(SocketAddr),
    Closed(Instant),
}

impl Termination {
    /// Tells a process to end, which listens at `address` if that is given.
    ///
    /// # Errors
    /// [`Errno::SRCH`] if it is gone, [`Errno::PERM`] if this process may not.
    pub(super) fn begin(
        process: &Process,
        grace: Grace,
        address: Option<SocketAddr>,
    ) -> Result<Self, Errno> {
        let open = address.filter(|address| listens(*address) == Some(true));
        let listener = open.map_or(Listener::Unknown, Listener::Open);
        let ending = process.terminate()?;
        Ok(Self { ending, told: Instant::now(), listener, grace })
    }

    /// Waits for its end, and kills it once its time is over; false if not even that ends it.
    pub(super) fn finish(mut self) -> bool {
        while !self.is_over() {
            if self.ending.wait(EVERY) {
                return true;
            }
        }
        self.ending.kill();
        self.ending.wait(DIES)
    }

    fn is_over(&mut self) -> bool {
        let closed = self.closed();
        self.grace.is_over(self.told.elapsed(), closed)
    }

    /// For how long nobody has listened.
    fn closed(&mut self) -> Option<Duration> {
        if let Listener::Open(address) = self.listener
            && listens(address) == Some(false)
        {
            self.listener = Listener::Closed(Instant::now());
        }
        match self.listener {
            Listener::Closed(since) => Some(since.elapsed()),
            Listener::Open(_) | Listener::Unknown => None,
        }
    }
}

/// Whether somebody listens there, in the network of this process, which is that of the static pods; `None` if that
/// cannot be told. Nobody is knocked up for it.
fn listens(address: SocketAddr) -> Option<bool> {
    let read = |path: &str| read::start(path, MAX_SOCKETS).ok();
    // Where the kernel has no IPv6 there is no second list.
    let tables = [read("/proc/self/net/tcp"), read("/proc/self/net/tcp6")];
    let found = tables.iter().flatten().any(|table| listeners::listens(table, address));
    tables[0].is_some().then_some(found)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::net::TcpStream;
    use std::process::{Child, Command, Stdio};
    use std::thread;

    use super::*;
    use crate::domain::renewal::Component;
    use crate::domain::renewal::termination::{GraceSettings, IN_FLIGHT};

    /// Ends at once.
    const WELL_BEHAVED: &str = "sys.exit(0)";
    /// As an API server with an open watch: it closes its port and stays for a minute.
    const DRAINS: &str = "listener.close()";
    /// Goes on as if nothing had been said.
    const HANGS: &str = "pass";

    /// A program that listens, and does something on SIGTERM. It does not outlive its test.
    struct Program {
        child: Child,
        address: SocketAddr,
    }

    impl Program {
        fn start(on_term: &str) -> Self {
            let text = format!(
                "import signal, socket, sys, time
listener = socket.create_server(('127.0.0.1', 0))
def told(*_):
    {on_term}
signal.signal(signal.SIGTERM, told)
print(listener.getsockname()[1], flush=True)
time.sleep(60)"
            );
            let mut python = Command::new("python3");
            let mut child = python.args(["-c", &text]).stdout(Stdio::piped()).spawn().unwrap();
            let mut port = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
            let address = SocketAddr::from(([127, 0, 0, 1], port.trim().parse().unwrap()));
            Self { child, address }
        }

        fn terminate(&self, component: Component) -> Termination {
            let process = Process::of_child(&self.child);
            let grace = Grace::of(component, GraceSettings::default());
            Termination::begin(&process, grace, Some(self.address)).unwrap()
        }

        /// The signal that ended it; none if it ended by itself.
        fn signal(&mut self) -> Option<i32> {
            std::os::unix::process::ExitStatusExt::signal(&self.child.wait().unwrap())
        }
    }

    impl Drop for Program {
        fn drop(&mut self) {
            let _ = self.child.kill().and_then(|()| self.child.wait());
        }
    }

    const SIGKILL: Option<i32> = Some(9);

    #[test]
    fn what_ends_by_itself_is_not_killed() {
        for component in [Component::Etcd, Component::Apiserver] {
            let mut program = Program::start(WELL_BEHAVED);
            assert!(program.terminate(component).finish());
            assert_eq!(program.signal(), None);
        }
    }

    #[test]
    fn an_api_server_that_drains_is_killed_some_seconds_after_its_port_is_closed() {
        let mut program = Program::start(DRAINS);
        let mut termination = program.terminate(Component::Apiserver);
        let told = Instant::now();
        while termination.closed().is_none() {
            thread::sleep(EVERY);
        }
        assert!(TcpStream::connect(program.address).is_err());
        assert_eq!(program.child.try_wait().unwrap(), None, "requests in flight have their time");
        assert!(termination.finish());
        assert!(told.elapsed() >= IN_FLIGHT);
        assert_eq!(program.signal(), SIGKILL);
    }

    /// Only a second of what it would get is waited for.
    #[test]
    fn nobody_else_is_killed_for_a_closed_port_nor_an_api_server_for_an_open_one() {
        for (on_term, component) in [(DRAINS, Component::Etcd), (HANGS, Component::Apiserver)] {
            let mut program = Program::start(on_term);
            let mut termination = program.terminate(component);
            thread::sleep(IN_FLIGHT + Duration::from_secs(1));
            assert!(!termination.is_over(), "{component}");
            assert_eq!(program.child.try_wait().unwrap(), None);
        }
    }

    #[test]
    fn what_hangs_is_killed_when_its_time_is_over() {
        let mut program = Program::start(HANGS);
        let termination = program.terminate(Component::Scheduler);
        let told = Instant::now();
        assert!(termination.finish());
        assert!(told.elapsed() >= Duration::from_secs(15));
        assert_eq!(program.signal(), SIGKILL);
    }

    #[test]
    fn a_port_that_was_never_open_was_not_closed() {
        let program = Program::start(HANGS);
        let process = Process::of_child(&program.child);
        let grace = Grace::of(Component::Apiserver, GraceSettings::default());
        // Nobody listens there: it is a port of this test's that is closed again.
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        for address in [None, Some(closed)] {
            let mut termination = Termination::begin(&process, grace, address).unwrap();
            assert_eq!(termination.closed(), None);
        }
    }
}
