use super::*;

fn shell(script: &str) -> Command {
    let mut shell = command(Path::new("/bin/sh")).unwrap();
    shell.args(["-c", script]);
    shell
}

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(100);

#[test]
fn output_and_end_are_known() {
    let output = run(shell("echo out; echo err >&2; exit 3"), LONG).unwrap();
    assert!(!output.is_success());
    assert_eq!(output.summary(), "exit status: 3; it said: out; err");
    assert!(run(shell("true"), LONG).unwrap().is_success());
}

#[test]
fn it_sees_nothing_of_our_surroundings() {
    let output =
        run(shell("pwd; env | grep -v -e ^PWD= -e ^_= -e ^OLDPWD= -e ^SHLVL= | sort; cat"), LONG);
    let expected = "/\nHOME=/nonexistent\nLANG=C\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\n";
    assert_eq!(output.unwrap().text(), expected);
}

#[test]
fn what_hangs_is_ended_with_all_it_started() {
    let script = "trap '' TERM; sleep 1000 & echo $!; while :; do sleep 1000; done";
    let output = run(shell(script), SHORT * 10).unwrap();
    assert!(output.is_late && !output.is_success());
    let child: i32 = output.text().trim().parse().unwrap();
    let child = Pid::from_raw(child).unwrap();
    // Gone, or about to be: SIGKILL takes a moment.
    if let Ok(fd) = rustix::process::pidfd_open(child, rustix::process::PidfdFlags::empty()) {
        let limit = Timespec { tv_sec: 30, tv_nsec: 0 };
        assert_eq!(poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&limit)), Ok(1));
    }
}

#[test]
fn what_heeds_sigterm_may_say_so() {
    let script = "trap 'echo bye; exit 0' TERM; sleep 1000 & echo up; wait";
    // On a busy machine the shell may not be up in time to hear it.
    let limits = [1, 10, 100].map(|times| SHORT * times).into_iter();
    let mut runs = limits.map(|limit| run(shell(script), limit).unwrap());
    let output = runs.find(|output| !output.text().is_empty()).unwrap();
    assert_eq!(output.text(), "up\nbye\n");
    assert!(!output.is_success() && output.summary().starts_with("it timed out"));
}

#[test]
fn a_flood_is_cut_and_does_not_hold_it_up() {
    let output = run(shell("head -c 1000000 /dev/zero | tr '\\0' x; exit 0"), LONG).unwrap();
    assert!(output.is_success());
    assert_eq!(output.output.len(), MAX_OUTPUT);
    assert_eq!(run(shell("yes"), SHORT).unwrap().output.len(), MAX_OUTPUT);
}

#[test]
fn who_keeps_the_pipe_open_holds_up_nothing() {
    let output = run(shell("setsid sleep 5 & echo done"), LONG).unwrap();
    assert!(output.is_success() && !output.is_late);
    assert_eq!(output.text(), "done\n");
}

#[test]
fn no_key_is_repeated() {
    let key = "MIIEowIBAAKCAQEAx0Yv5wq9N3v1l8QmEJ8Gm0S1Zk2Yq";
    let pem = format!("-----BEGIN KEY-----\n{key}\nq3w=\n-----END KEY-----");
    let path = "cannot read /etc/kubernetes/pki/etcd/healthcheck-client.crt";
    let script = format!("echo '{pem}'; echo 'data: \"{key}\"'; echo '{path}'; exit 1");
    let output = run(shell(&script), LONG).unwrap();
    assert_eq!(output.summary(), format!("exit status: 1; it said: {path}"));
}

#[test]
fn what_is_not_there_is_a_fault() {
    assert!(command(Path::new("/nonexistent/kubeadm")).is_err());
}
