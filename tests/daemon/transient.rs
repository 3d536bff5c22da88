//! kubeadm and the kubelet rewrite files in place: nobody is woken for a file that is cut off for a
//! moment, and everybody for one that stays so.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::common::stage::Stage;

const CRT: &str = "etc/kubernetes/pki/apiserver.crt";

#[test]
fn a_file_that_is_cut_off_for_a_moment_is_told_to_nobody() {
    let stage = Stage::new();
    let daemon = stage.started();
    let whole = stage.node.read(CRT);

    // As kubeadm does: within the time in which certwatch waits for the end of the changes.
    stage.node.write(CRT, &whole[..whole.len() / 2]);
    sleep(Duration::from_secs(1));
    stage.node.write(CRT, &whole);

    // Long enough that a scan sees it: it looks again, and then it is whole.
    daemon.wait_for_logs("DEBUG scanned", 2);
    stage.node.write(CRT, &whole[..whole.len() / 2]);
    daemon.wait_for_log("next scan in");
    stage.node.write(CRT, &whole);

    sleep(Duration::from_secs(25));
    assert_eq!(stage.receiver.headlines(), Vec::<String>::new(), "{}", daemon.read_log());
    assert_eq!(stage.memory()["state"]["ledger"]["open"], serde_json::json!({}));
}

#[test]
fn a_file_that_stays_cut_off_is_told_after_it_was_looked_at_again() {
    let stage = Stage::new();
    let daemon = stage.started();
    let whole = stage.node.read(CRT);
    let begin = Instant::now();
    stage.node.write(CRT, &whole[..whole.len() / 2]);
    let message = &stage.receiver.wait_for_messages(1)[0];
    // 5 and 15 seconds; the clock of the ledger counts whole ones.
    assert!(begin.elapsed() > Duration::from_secs(18), "{:?}", begin.elapsed());
    assert!(daemon.read_log().contains("next scan in"));
    assert_eq!(message["alerts"].as_array().unwrap().len(), 1, "{message:#}");
    stage.node.write(CRT, &whole);
    let message = &stage.receiver.wait_for_messages(2)[1];
    assert_eq!(message["certwatch"]["kind"], "resolved", "{message:#}");
}
