use super::{FILE, errors};

/// One mistake each; the message is what follows `c.toml:`.
#[test]
fn mistakes_are_named_with_their_place_and_remedy() {
    let table = [
        // Kinds and ranges.
        ("node-name = 1", r#"1:13: node-name is a number: expected a string in quotes"#),
        ("cluster.name = 7", r#"1:16: cluster.name is a number: expected a string in quotes"#),
        (
            "[cluster]\nname = 'a/b'",
            r#"2:8: cluster.name is not a valid cluster name: expected 1 to 253 letters, digits, "-", "." and "_""#,
        ),
        (
            "node-name = 'a b'",
            r#"1:13: node-name is not a valid node name: expected 1 to 253 letters, digits, "-", "." and "_""#,
        ),
        ("scan = 3", "1:8: scan is a number: expected a section, [scan]"),
        ("[[scan]]", "1:1: scan is a list: expected a section, [scan]"),
        ("scan.standard = 'yes'", "1:17: scan.standard is a string: expected true or false"),
        ("scan.paths = '/etc'", "1:14: scan.paths is a string: expected a list"),
        (
            "scan.max-files = 0",
            "1:18: scan.max-files is out of range: expected a whole number from 1 to 10000000",
        ),
        (
            "scan.max-files = 1e3",
            "1:18: scan.max-files is a number: expected a whole number from 1 to 10000000",
        ),
        (
            "scan.max-files = 99999999999999999999",
            "1:18: scan.max-files is out of range: expected a whole number from 1 to 10000000",
        ),
        (
            "thresholds.rotation-percent = 101",
            "1:31: thresholds.rotation-percent is out of range: expected a whole number from 1 to 100",
        ),
        // Times.
        (
            "scan.timeout = 60",
            r#"1:16: scan.timeout is a number without a unit: expected a time from 1s to 1h, such as "30s""#,
        ),
        (
            "scan.timeout = '60'",
            r#"1:16: scan.timeout contains a number without a unit: expected a time from 1s to 1h, such as "30s""#,
        ),
        (
            "scan.timeout = '2h'",
            r#"1:16: scan.timeout is out of range: expected a time from 1s to 1h, such as "30s""#,
        ),
        (
            "scan.timeout = true",
            r#"1:16: scan.timeout is true or false: expected a time from 1s to 1h, such as "30s""#,
        ),
        (
            "thresholds.short-lived = '2 months'",
            r#"1:26: thresholds.short-lived is in months or years, which vary in length: expected a time from 1s to 36500d, such as "30d""#,
        ),
        (
            "thresholds.ca = ['365d', 'soon']",
            r#"1:26: thresholds.ca, entry 2, is not a duration: expected a time from 1s to 36500d, such as "30d""#,
        ),
        (
            "thresholds.ca-critical = '0s'",
            r#"1:26: thresholds.ca-critical is out of range: expected a time from 1s to 36500d, such as "30d""#,
        ),
        (
            "thresholds.ca-critical = '1500ms'",
            r#"1:26: thresholds.ca-critical is not in whole seconds: expected a time from 1s to 36500d, such as "30d""#,
        ),
        // Paths.
        (
            "scan.paths = ['/a', '~/b']",
            "1:21: scan.paths, entry 2, is not an absolute path: expected one that begins with /: a service has its own working directory and home",
        ),
        (
            "scan.paths = ['/a\\b\u{1}']",
            "1:20: invalid literal string: expected non-single-quote visible characters",
        ),
        (
            r#"scan.paths = ["/a\n"]"#,
            "1:15: scan.paths, entry 1, contains a control character: expected a path of printable characters",
        ),
        (
            "scan.paths = ['/a/../b']",
            "1:15: scan.paths, entry 1, contains ..: expected the path without ..: paths are compared as text",
        ),
        (
            "scan.paths = ['/a/x**']",
            "1:15: scan.paths, entry 1, is a bad glob at its character 4: expected * within a name, or ** alone between two /",
        ),
        (
            "scan.exclude = ['/a/[b']",
            "1:17: scan.exclude, entry 1, is a bad glob at its character 4: expected […] around some characters, and [[] for a plain [",
        ),
        (
            "scan.exclude = ['*.bak']",
            "1:17: scan.exclude, entry 1, cannot match anything: expected one that begins with / or **/: it is compared with whole paths",
        ),
        // Settings that do not go together.
        (
            "scan.standard = false",
            "1:17: scan.standard is false and there are no scan.paths (its default): expected at least one path, or standard = true",
        ),
        (
            "[scan]\npaths = []\nstandard = false",
            "3:12: scan.standard is false and there are no scan.paths (line 2, column 9): expected at least one path, or standard = true",
        ),
        (
            "thresholds.leaf = []",
            r#"1:19: thresholds.leaf is empty: expected at least one threshold, such as ["30d", "7d"]"#,
        ),
        (
            "thresholds.leaf = ['5d', '1d']",
            "1:19: thresholds.leaf-critical (its default) is above the longest threshold of thresholds.leaf: expected critical to be at most the longest threshold",
        ),
        (
            "[thresholds]\nca-critical = '31d'\nca = ['30d', '1d']",
            "2:15: thresholds.ca-critical is above the longest threshold of thresholds.ca (line 3, column 6): expected critical to be at most the longest threshold",
        ),
        (
            "thresholds.leaf = ['90d']",
            "1:19: thresholds.short-lived (its default) is below the longest threshold of thresholds.leaf: expected short-lived to be at least the longest threshold: a certificate with a lifetime between the two would be a warning from its first day",
        ),
        // Renewal.
        (
            "renew.restart = 'some'",
            r#"1:17: renew.restart is invalid: expected one of "needed", "all", "none""#,
        ),
        (
            "renew.windows = ['02:00-05:00', 'sat 2-5']",
            r#"1:33: renew.windows, entry 2, is not a maintenance window: expected days and times in UTC, such as "sat,sun 02:00-05:00" or "22:00-04:00""#,
        ),
        (
            "renew.before = '5d'",
            "1:16: renew.deadline (its default) is not below renew.before: expected deadline to be shorter: windows count between the two",
        ),
        (
            "renew.keep-backups = 0",
            "1:22: renew.keep-backups is out of range: expected a whole number from 1 to 50",
        ),
        (
            "renew.restart-pods = ['kube-vip', 'kube-scheduler']",
            "1:35: renew.restart-pods, entry 2, is a component of the control plane: expected other pods: renew.restart is for the components",
        ),
        (
            "renew.restart-pods = ['a b']",
            "1:23: renew.restart-pods, entry 1, is not the name of a pod: expected the name in the manifest of a static pod, such as \"kube-vip\"",
        ),
        (
            "[renew]\nrestart = 'none'\nrestart-pods = ['kube-vip']",
            "3:16: renew.restart-pods does not go with renew.restart (line 2, column 11): expected one of the two: with \"none\" nothing is restarted",
        ),
        (
            "[[renew.hook]]\nname = 'a'\ncommand = ['reload']",
            "1:1: renew.hook, entry 1, command is not an absolute path: expected one that begins with /",
        ),
        (
            "renew.hook = [{ name = 'a' }]",
            "1:15: renew.hook, entry 1, has no command: expected { command = [\"/usr/bin/systemctl\", \"reload\", \"haproxy\"] }, with name and timeout if you like",
        ),
        (
            "renew.hook = [{ command = [] }]",
            "1:15: renew.hook, entry 1, command is empty: expected a list: the absolute path of a program, and its arguments, for no shell",
        ),
        (
            "renew.hook = [{ command = ['/a'], timeout = '11m' }]",
            "1:15: renew.hook, entry 1, timeout is out of range: expected a time from 1s to 10m, such as \"30s\"",
        ),
        (
            "renew.hook = [{ command = ['/a'], shell = true }]",
            "1:15: renew.hook, entry 1, has a key other than name, command and timeout: expected { command = [\"/usr/bin/systemctl\", \"reload\", \"haproxy\"] }, with name and timeout if you like",
        ),
        (
            "renew.hook = [{ command = ['/a'], timeout = '6m' }, { command = ['/b'], timeout = '6m' }]",
            "1:14: renew.hook takes too long: expected timeouts of 10m together: a renewal has to end",
        ),
        (
            "renew.kubeconfig-copies = ['.kube/config']",
            "1:28: renew.kubeconfig-copies, entry 1, is not an absolute path: expected one that begins with /",
        ),
        (
            "renew.kubeadm = '/usr/../opt/kubeadm'",
            "1:17: renew.kubeadm contains ..: expected the path without ..: symbolic links could lead elsewhere",
        ),
        (
            "renew.state-dir = '/var/lib/certwatch-renew/'",
            "1:19: renew.state-dir ends with a slash: expected the same path without it",
        ),
        (
            "renew.kubeadm = \"/usr/bin/kubeadm\\u0000.sh\"",
            "1:17: renew.kubeadm contains a control character: expected a path of printable characters",
        ),
        (
            "renew.kubeconfig-copies = ['/a', 7]",
            "1:34: renew.kubeconfig-copies, entry 2, is a number: expected a path, or { path = \"/home/anna/.kube/config\", owner = \"anna\" }",
        ),
        (
            "renew.kubeconfig-copies = [{ owner = 'anna' }]",
            "1:28: renew.kubeconfig-copies, entry 1, has no path: expected a path, or { path = \"/home/anna/.kube/config\", owner = \"anna\" }",
        ),
        (
            "renew.kubeconfig-copies = [{ path = '/a', user = 'anna' }]",
            "1:28: renew.kubeconfig-copies, entry 1, has a key other than path and owner: expected a path, or { path = \"/home/anna/.kube/config\", owner = \"anna\" }",
        ),
        (
            "renew.kubeconfig-copies = [{ path = 'a' }]",
            "1:28: renew.kubeconfig-copies, entry 1, path is not an absolute path: expected one that begins with /",
        ),
        (
            "renew.kubeconfig-copies = [{ path = '/a', owner = '1000' }]",
            "1:28: renew.kubeconfig-copies, entry 1, owner is a quoted number: expected the number without quotes",
        ),
        (
            "renew.kubeconfig-copies = [{ path = '/a', owner = 'a b' }]",
            "1:28: renew.kubeconfig-copies, entry 1, owner is not a user name: expected the name of a user, or a number from 0 to 4294967294",
        ),
        (
            "renew.kubeconfig-copies = [{ path = '/a', owner = 4294967295 }]",
            "1:28: renew.kubeconfig-copies, entry 1, owner is out of range: expected the name of a user, or a number from 0 to 4294967294",
        ),
        (
            "renew.kubeconfig-copies = ['/a', { path = '/a', owner = 7 }]",
            "1:27: renew.kubeconfig-copies lists a file twice: expected each file once, with its owner",
        ),
        (
            "renew.state-dir = '/etc//kubernetes/./backup'",
            "1:19: renew.state-dir is below /etc/kubernetes: expected a directory elsewhere: backups there would be mistaken for the files themselves",
        ),
        (
            "renew.state-dir = '/var/lib/certwatch/renew'",
            "1:19: renew.state-dir is in daemon.state-dir (its default): expected a directory of its own, for root only: backups contain keys",
        ),
        (
            "daemon.state-dir = '/var/lib/certwatch-renew'",
            "1:20: renew.state-dir (its default) is in daemon.state-dir: expected a directory of its own, for root only: backups contain keys",
        ),
        // Keys that do not exist.
        ("nodename = 'a'", r#"1:1: unknown key "nodename": did you mean node-name?"#),
        (
            "[scan]\nmax_files = 1",
            r#"2:1: unknown key "max_files" in [scan]: did you mean max-files?"#,
        ),
        (
            "[scan]\nMaxFiles = 1",
            r#"2:1: unknown key "MaxFiles" in [scan]: did you mean max-files?"#,
        ),
        (
            "[scan]\nnode-name = 'a'",
            r#"2:1: unknown key "node-name" in [scan]: expected it at the top of the file, before the first section"#,
        ),
        (
            "[thresholds]\nca-critcal = '9d'",
            r#"2:1: unknown key "ca-critcal" in [thresholds]: did you mean ca-critical?"#,
        ),
        ("timeout = '5s'", r#"1:1: unknown key "timeout": expected it in [scan]"#),
        ("timeouts = '5s'", r#"1:1: unknown key "timeouts": did you mean timeout in [scan]?"#),
        (
            "[scan]\nfrobnicate = 1",
            r#"2:1: unknown key "frobnicate" in [scan]: expected standard, paths, exclude, max-files, timeout"#,
        ),
        ("[scans]\nx = 1", r#"1:2: unknown section "scans": did you mean [scan]?"#),
        ("[mail]\nx = 1", r#"1:2: unknown section "mail": did you mean [email]?"#),
        (
            "[scan.mail]",
            r#"1:7: unknown section "mail" in [scan]: did you mean [email] at the top of the file, before the first section?"#,
        ),
        (
            "\"\\u001b[31m\\u202e\" = 1",
            r#"1:1: unknown key "\u{1b}[31m\u{202e}": expected node-name"#,
        ),
        // Sections that may be there several times.
        ("[endpoint]", "1:1: endpoint is a table: expected [[endpoint]], each with two brackets"),
        ("endpoint = ['a:1']", "1:13: endpoint is a string: expected [[endpoint]]"),
        (
            "[[endpoint]]",
            r#"1:1: endpoint.address is missing: expected host:port, such as "www.example.org:443""#,
        ),
        (
            "[[endpoint]]\naddress = 'https://a:1'",
            r#"2:11: endpoint.address is not a host and a port: expected host:port, such as "www.example.org:443" or "[2001:db8::1]:443""#,
        ),
        (
            "[[endpoint]]\naddress = 'a:1'\nserver-name = '*.a'",
            "3:15: endpoint.server-name is not a host name: expected a DNS name in ASCII, or an address",
        ),
        (
            "[[endpoint]]\naddress = 'a:1'\nstarttls = 'imap'",
            r#"3:12: endpoint.starttls is invalid: expected one of "none", "smtp", "postgres""#,
        ),
        (
            "[[endpoint]]\naddress = 'a:1'\n[[endpoint]]\naddress = 'A:1'\nserver-name = 'a'",
            "4:11: endpoint.address is there twice with the same server-name: expected each one once",
        ),
        (
            "[[endpoint]]\naddress = 'a:1'\n[[endpoint]]\naddress = 'b:1'\ncafile = '/a'",
            r#"5:1: unknown key "cafile" in [endpoint]: did you mean ca-file?"#,
        ),
        // TOML.
        ("[scan]\nstandard = yes", "2:12: string values must be quoted: expected literal string"),
        ("scan.paths = ['/a'", "1:19: unclosed array: expected `]`"),
        ("node-name = 'a'\nnode-name = 'b'", "2:1: duplicate key: expected valid TOML"),
    ];
    for (text, message) in table {
        assert_eq!(errors(text), format!("{FILE}:{message}"), "{text}");
    }
}

#[test]
fn all_mistakes_at_once_in_the_order_of_the_file() {
    let text = "\
nod-name = 'x'
[thresholds]
leaf = ['30', '7d', 3]
ca-critical = '400d'
[scan]
paths = ['a', '/b', 7]
timeout = '1y'
leaf = 4
[report]
";
    insta::assert_snapshot!(errors(text), @r#"
    c.toml:1:1: unknown key "nod-name": did you mean node-name?
    c.toml:3:9: thresholds.leaf, entry 1, contains a number without a unit: expected a time from 1s to 36500d, such as "30d"
    c.toml:3:21: thresholds.leaf, entry 3, is a number without a unit: expected a time from 1s to 36500d, such as "30d"
    c.toml:4:15: thresholds.ca-critical is above the longest threshold of thresholds.ca (its default): expected critical to be at most the longest threshold
    c.toml:6:10: scan.paths, entry 1, is not an absolute path: expected one that begins with /: a service has its own working directory and home
    c.toml:6:21: scan.paths, entry 3, is a number: expected a string in quotes
    c.toml:7:11: scan.timeout is in months or years, which vary in length: expected a time from 1s to 1h, such as "30s"
    c.toml:8:1: unknown key "leaf" in [scan]: expected it in [thresholds]
    c.toml:9:2: unknown section "report": expected [cluster], [scan], [thresholds], [daemon], [renew], [alerts], [http], [[endpoint]], [email], [slack], [webhook], [alertmanager], [pagerduty], [heartbeat]
    "#);
}

#[test]
fn a_broken_setting_causes_no_second_error() {
    assert_eq!(errors("thresholds.leaf = ['5 d', 'x']").lines().count(), 1);
    assert_eq!(errors("scan = { standard = false, paths = ['x'] }").lines().count(), 1);
}

/// Lines of mistakes, a line of mistakes, long keys, deep keys: nothing takes the square of its
/// length or the stack.
#[test]
fn a_large_file_of_mistakes_neither_hangs_nor_floods() {
    let texts = [
        (0..9_000).map(|n| format!("maxfile{n}=1\n")).collect(),
        (0..9_000).map(|n| format!("[a{n}]\nb={n}\n")).collect(),
        format!("scan.paths = [{}]", "1,".repeat(100_000)),
        format!("{} = 1", "k".repeat(900_000)),
        "[".repeat(900_000),
        "a.".repeat(400_000),
        "= \n".repeat(90_000),
    ];
    for text in texts {
        let count = errors(&text).lines().count();
        assert!((1..=101).contains(&count), "{count}");
    }
}
