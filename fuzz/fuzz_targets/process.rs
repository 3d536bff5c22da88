//! Whatever `/proc` says, a process of a user's is nobody's that counts; in a cgroup of his own nobody's is a static pod's;
//! what is in a place that is not known is not the node's own; and of a command line only kubeadm's own words are told.
#![no_main]

use certwatch::parse::process::{
    ProcessOwner, cgroup, is_large_enough, kubeadm_verb, login, owner, state_and_parent,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &[u8], &str)| {
    let (status, bytes, path) = input;
    let _ = (owner(status, bytes), state_and_parent(bytes), cgroup(bytes));
    let _ = (is_large_enough(status), login(bytes));
    let below = path.replace('\n', "");
    let on = |place: &str| owner(status, format!("0::/{place}\n").as_bytes());
    let is_other = on("") == ProcessOwner::Other;
    for above in ["user.slice/user-1000.slice/user@1000.service", "user/alice/0", "lxc/a", "any"] {
        let place = on(&format!("{above}/{below}"));
        assert!(place != ProcessOwner::StaticPod || above == "any" && is_large_enough(status));
        assert!(!is_other || matches!(place, ProcessOwner::Other | ProcessOwner::StaticPod));
    }
    // One hierarchy that is not known is enough.
    let mixed = format!("2:cpu:/any/x\n1:name=systemd:/{below}\n");
    assert!(!matches!(
        owner(status, mixed.as_bytes()),
        ProcessOwner::Root | ProcessOwner::StaticPod
    ));
    assert!(
        kubeadm_verb(bytes).bytes().all(|it| it == b' ' || it == b'-' || it.is_ascii_lowercase())
    );
});
