use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;

use super::parse;
use crate::config::{AlertsConfig, Config, DaemonConfig, EndpointConfig, RenewConfig, ScanConfig};
use crate::domain::endpoint::{HostPort, StartTls};
use crate::domain::ledger::Repeat;
use crate::domain::policy::{Policy, Thresholds};
use crate::domain::renewal::MaintenanceWindow;
use crate::domain::renewal::copy::{ListedCopy, SystemUser};
use crate::domain::renewal::hook::Hook;
use crate::domain::renewal::plan::RestartPolicy;
use crate::domain::time::Span;

#[test]
fn secrets_stay_in_the_file() {
    const SECRET: &str = "hunter2";
    let slips = [
        "KEY = hunter2",
        "KEY = 'hunter2",
        "KEY = \"hunter2\\q\"",
        "KEY = \"\"\"hunter2",
        "KEY = ['hunter2', hunter2",
        "KEY = { hunter2",
        "KEY = 'hunter2' hunter2",
        "KEY = 'hunter2'\nKEY = 'hunter2'",
        "KEY = '/../hunter2'",
        "KEY =\nhunter2",
        "KEY 'hunter2'",
        "KEY = 1hunter2",
        "KEY = 'hunter2'",
        "KEY = ['hunter2']",
        "KEY = ['/**hunter2']",
        "KEY = { a = 'hunter2' }",
        "KEY = [{ path = 'hunter2', owner = 'a' }]",
        "KEY = [{ path = '/a', owner = 'hunter 2 hunter2' }]",
        "KEY = [{ hunter2 = '/a' }]",
        "KEY = [{ command = ['/a', 'hunter2'], timeout = 'hunter2' }]",
        "KEY = [{ command = ['hunter2'], name = 'hunter2' }]",
    ];
    let dotted = |(section, key): (String, &str)| {
        format!("{section}.{key}").trim_start_matches('.').to_owned()
    };
    let keys = super::keys().into_iter().map(dotted);
    let keys: Vec<String> = keys.chain(["password", "scan"].map(str::to_owned)).collect();
    for (slip, key) in slips.iter().flat_map(|slip| keys.iter().map(move |key| (slip, key))) {
        let text = slip.replace("KEY", key);
        if let Err(errors) = parse(&text) {
            assert!(!format!("{errors} {errors:?}").contains(SECRET), "{text}: {errors}");
        }
    }
}

fn path_text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "[^/\\[\\]*?\\p{C}.][^/\\[\\]*?\\p{Cc}]{0,8}",
        "\\*\\.crt",
        "\\*\\*",
        "\\[\\[\\]x"
    ];
    prop::collection::vec(part, 1..4).prop_map(|parts| format!("/{}", parts.join("/")))
}

fn length(range: std::ops::RangeInclusive<i64>) -> impl Strategy<Value = Span> {
    (range, prop_oneof![Just(1), Just(60), Just(3_600), Just(86_400)])
        .prop_map(|(count, unit)| Span::seconds((count * unit).min(36_500 * 86_400)))
}

fn thresholds() -> impl Strategy<Value = Thresholds> {
    (prop::collection::vec(length(1..=40_000), 1..6), any::<prop::sample::Index>())
        .prop_map(|(spans, critical)| Thresholds::new(spans.clone(), *critical.get(&spans)))
}

prop_compose! {
    fn config()(
        node in prop::option::of("[a-zA-Z0-9._-]{1,253}"),
        standard in any::<bool>(),
        paths in prop::collection::vec(path_text(), 1..4),
        exclude in prop::collection::vec(path_text().prop_map(|path| format!("**{path}")), 0..3),
        max_files in 1..=10_000_000_u64,
        timeout in 1..=3_600_u64,
        leaf in thresholds(),
        ca in thresholds(),
        short_lived in length(1..=40_000),
        rotation_percent in 1..=100_u8,
        daemon in daemon(),
        renew in renew().boxed(),
        alerts in alerts(),
        http in super::channels::http(),
        endpoints in endpoints().boxed(),
        // Together they would not fit the stack of a test.
        channels in super::channels::channels().boxed(),
    ) -> Config {
        let short_lived = short_lived.max(leaf.warning());
        let timeout = Duration::from_secs(timeout);
        Config {
            cluster: crate::config::ClusterNameConfig { name: node.clone().map(|name| name.chars().rev().collect()) },
            node,
            scan: ScanConfig { standard, paths, exclude, max_files, timeout },
            policy: Policy { leaf, ca, short_lived, rotation_percent },
            daemon,
            renew,
            alerts,
            http,
            endpoints,
            channels,
        }
    }
}

prop_compose! {
    fn daemon()(
        interval in length(60..=86_400).prop_map(|it| it.min(Span::hours(24))),
        state_dir in "/var/[a-z \"]{0,8}[a-z]",
    ) -> DaemonConfig {
        DaemonConfig { interval, state_dir: state_dir.into() }
    }
}

prop_compose! {
    fn alerts()(
        lengths in prop::array::uniform3(1..=365 * 24_i64),
        ca_file in prop::option::of(copy_path()),
    ) -> AlertsConfig {
        let [warning, critical, expired] = lengths.map(Span::hours);
        AlertsConfig { repeat: Repeat { warning, critical, expired }, ca_file }
    }
}

prop_compose! {
    fn endpoint()(
        host in prop_oneof!["[a-z][a-z0-9_-]{0,8}[a-z](\\.[a-z]{2,3})?", "\\[::[1-9a-f]\\]", "192\\.0\\.2\\.[1-9]"],
        port in 1..=u16::MAX,
        server_name in "[a-z]{1,9}|192\\.0\\.2\\.[1-9]",
        [ca_file, file] in prop::array::uniform2(prop::option::of(copy_path())),
        starttls in prop::sample::select(vec![StartTls::None, StartTls::Smtp, StartTls::Postgres]),
    ) -> EndpointConfig {
        let address = HostPort::parse(&format!("{host}:{port}")).unwrap();
        EndpointConfig { address, server_name, ca_file, file, starttls }
    }
}

fn endpoints() -> impl Strategy<Value = Vec<EndpointConfig>> {
    let key = |it: &EndpointConfig| (it.address.clone(), it.server_name.clone());
    prop::collection::vec(endpoint(), 0..4).prop_map(move |mut all| {
        all.sort_by_key(key);
        all.dedup_by_key(|it| key(it));
        all
    })
}

fn window() -> impl Strategy<Value = MaintenanceWindow> {
    let days = prop_oneof!["", "sat,sun ", "mon-fri ", "wed "];
    (days, 0..1440_u32, 0..1440_u32).prop_map(|(days, start, end)| {
        let [start, end] = [start, end].map(|at| format!("{:02}:{:02}", at / 60, at % 60));
        MaintenanceWindow::parse(&format!("{days}{start}-{end}")).unwrap()
    })
}

fn copy_path() -> impl Strategy<Value = PathBuf> {
    "/[a-z .\"'-]{0,3}[a-z]".prop_map(PathBuf::from)
}

fn owner() -> impl Strategy<Value = SystemUser> {
    prop_oneof![
        (0..u32::MAX).prop_map(SystemUser::Uid),
        "[a-z_][a-zA-Z0-9_.$@\\\\-]{0,8}".prop_map(SystemUser::Name),
    ]
}

prop_compose! {
    fn hook()(
        name in "[a-zé\"']{1,9}",
        program in copy_path(),
        arguments in prop::collection::vec("[^\\x00]{0,9}", 0..3),
        timeout in 1..=300_i64,
    ) -> Hook {
        let program = program.to_string_lossy().into_owned();
        let command = [program].into_iter().chain(arguments).collect();
        Hook { name, command, timeout: Span::seconds(timeout) }
    }
}

prop_compose! {
    fn renew()(
        enabled in any::<bool>(),
        kubelet in any::<Option<bool>>(),
        deadline in length(60..=86_400).prop_map(|it| it.min(Span::days(36_499))),
        more in length(3_600..=86_400),
        restart in prop::sample::select(vec![
            RestartPolicy::All, RestartPolicy::Needed, RestartPolicy::None,
        ]),
        restart_stale in any::<bool>(),
        restart_pods in prop::collection::vec("vip-[a-z0-9.-]{0,9}", 0..3),
        windows in prop::collection::vec(window(), 0..3),
        paths in prop::collection::vec("/[a-zA-Z\"\\\\ é-]{1,20}", 3),
        copies in prop::collection::hash_map(copy_path(), prop::option::of(owner()), 0..3),
        keep_backups in 1..=50_usize,
        hooks in prop::collection::vec(hook(), 0..3),
    ) -> RenewConfig {
        let [kubeadm, state_dir, request_file] = [0, 1, 2].map(|at| paths[at].clone().into());
        let before = Span::seconds(deadline.as_seconds() + more.as_seconds());
        let before = before.min(Span::days(36_500));
        let copies =
            copies.into_iter().map(|(path, owner)| ListedCopy { path, owner }).collect();
        let restart_pods =
            if restart == RestartPolicy::None { Vec::new() } else { restart_pods };
        RenewConfig {
            enabled, kubelet, before, restart, restart_stale, restart_pods, windows, deadline, copies, hooks, kubeadm, state_dir, keep_backups,
            request_file,
        }
    }
}

proptest! {
    #[test]
    fn what_is_shown_reads_back_to_the_same(config in config()) {
        let shown = config.to_toml().unwrap();
        prop_assert_eq!(parse(&shown), Ok(config), "{}", shown);
    }

    #[test]
    fn any_text_is_judged(text in "\\PC{0,40}|[\\[\\]{}=,.\"'#\\\\\n\r\t a-z0-9_-]{0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn any_value_is_judged_and_not_told(
        key in prop::sample::select(vec![
            "node-name", "scan.paths", "scan.exclude", "scan.timeout", "thresholds.leaf", "x",
        ]),
        before in "[ -~\n]{0,10}",
        after in "[ -~\n]{0,10}",
    ) {
        // In a string that ends where it should: what is outside of one may be a key by right.
        let value = format!("{before}hunter2{after}").replace("'''", "");
        for text in [format!("{key} = '''{value} '''"), format!("{key} = ['''{value} ''', 1]")] {
            if let Err(errors) = parse(&text) {
                prop_assert!(!errors.to_string().contains("hunter2"), "{}: {}", text, errors);
            }
        }
    }
}
