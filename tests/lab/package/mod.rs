//! The Debian package on a real node, as people install it.

mod admin;
mod ansible;
mod failure;
mod install;
mod renewal;

use std::time::Duration;

use crate::harness::{
    Node, bring, follow, install, mail_server, package, property, readme, wait_for_mail,
};

const SOON: Duration = Duration::from_secs(60);
const RENEWAL: Duration = Duration::from_secs(300);

/// The same package with a lower version, and another word in its settings.
fn older(node: Node<'_>) -> String {
    let newer = bring(node);
    let line = r#"dpkg-deb --raw-extract "$1" /root/older
        sed -i 's/^Version: .*/Version: 0.0.1-1/' /root/older/DEBIAN/control
        sed -i '1s/$/ Of old./' /root/older/etc/certwatch/config.toml
        dpkg-deb --build /root/older /root/older.deb"#;
    node.run(&["bash", "-ec", line, "--", &newer]);
    "/root/older.deb".to_owned()
}

/// Whatever on the node has to do with certwatch: files, accounts, units.
fn traces(node: Node<'_>) -> String {
    let line = r"find / -xdev -name '*certwatch*' -not -path '/proc/*' -not -path '/sys/*' \
            -not -path '/var/log/*' -not -path '/root/certwatch_*.deb'
        grep certwatch /etc/passwd /etc/group /etc/shadow /etc/gshadow
        systemctl list-units --all --plain --no-legend 'certwatch*'";
    node.run(&["bash", "-c", &format!("{line}; true")])
}
