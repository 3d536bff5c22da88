//! The crash campaign: on the way there, on the way back from a renewal that fails, and while a backup is restored.
//!
//! `CERTWATCH_KILLS` says how often (6 if not set), `CERTWATCH_SEED` repeats a campaign.

use std::time::Duration;

use crate::common::dice::of_environment;
use crate::harness::{CERTWATCH, Campaign, Cluster, Wish, certwatch, piped, wait_for};

#[test]
fn whatever_is_killed_the_next_renewal_ends_it() {
    let kills = usize::try_from(of_environment("CERTWATCH_KILLS").unwrap_or(6)).unwrap();
    let cluster = Cluster::fresh(1);
    let mut campaign = Campaign::new(&cluster, &Wish::EACH);
    for run in 1..=kills {
        campaign.run(run);
        // A campaign that is ended, or that ends in a failure, has its figures all the same.
        println!("{run} blows: {}", campaign.totals);
    }
    assert!(campaign.totals.missed * 2 <= kills, "too few blows hit: {}", campaign.totals);
}

/// It has closed its port, and whoever was to kill it is killed; what it was restarted together with may be down as well.
#[test]
fn an_api_server_that_was_told_to_end_is_no_orphan() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch("restart = \"all\"");
    node.let_it_rest();
    let old = node.pids();
    let mut command = certwatch(node, &["renew", "--all"].map(str::to_owned));
    let mut first = piped(&mut command).spawn().unwrap();
    wait_for("the port to be closed", Duration::from_secs(120), || {
        let connects = ["bash", "-c", "</dev/tcp/10.77.0.1/6443"];
        (!node.output(&connects).status.success()).then_some(())
    });
    let pid = node.pid(&format!("{CERTWATCH} renew")).expect("it renews").to_string();
    node.run(&["kill", "-KILL", &pid]);
    assert!(!first.wait().unwrap().success());
    assert_eq!(node.journals().0.unwrap()["step"]["activate"], 0);
    node.renew(&[]);
    let (current, history) = node.journals();
    assert_eq!(current, None);
    assert_eq!(history[0]["step"]["end"], "renewed", "{history:#?}");
    assert!(node.pids().iter().zip(&old).all(|(new, old)| new != old), "each was restarted");
    assert_eq!(node.complaint(), None);
    node.assert_served();
}
