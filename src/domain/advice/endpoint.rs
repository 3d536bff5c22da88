//! Endpoints, in words.

use std::path::Path;

use super::command::{Remedy, pasteable_text, words};
use super::{refused, show};
use crate::domain::endpoint::{HostPort, StartTls};
use crate::domain::model::{ChainFault, Entry, Item};
use crate::domain::policy;
use crate::domain::text::escape_control;
use crate::domain::time::UnixTime;

/// What is wrong with the chain, and what follows.
pub(super) fn message(fault: &ChainFault, impact: &str) -> String {
    let what = match fault {
        ChainFault::NameConstraints => "a CA in its chain may not sign its names".to_owned(),
        ChainFault::NoIssuer(issuer) => format!(
            "its issuer is neither presented with it nor trusted ({})",
            escape_control(issuer)
        ),
        ChainFault::NotJudged(what) => {
            return format!("whether clients accept its chain is not known: {what}");
        }
        ChainFault::RejectedCa { ca, defect } => format!(
            "in its chain, {} {}",
            escape_control(ca),
            refused::summary(defect).replace("cannot be parsed by Kubernetes", "cannot be parsed")
        ),
        ChainFault::PathLength => "a CA in its chain may not have so many CAs below it".to_owned(),
        ChainFault::Purpose => "a CA in its chain is not for servers".to_owned(),
        ChainFault::SelfSigned => "it has signed itself".to_owned(),
        ChainFault::UnknownCa(ca) => {
            format!("its chain ends at a CA that is not trusted ({})", escape_control(ca))
        }
    };
    format!("{what}: {impact}")
}

/// In a few words that go on after the name.
pub(super) fn summary(fault: &ChainFault) -> &'static str {
    match fault {
        ChainFault::NameConstraints | ChainFault::PathLength | ChainFault::Purpose => {
            "has a chain that one of its CAs forbids"
        }
        ChainFault::NoIssuer(_) => "is presented without its issuer",
        ChainFault::NotJudged(_) => "has a chain that was not judged",
        ChainFault::RejectedCa { .. } => "has a CA in its chain that clients reject",
        ChainFault::SelfSigned => "is self-signed",
        ChainFault::UnknownCa(_) => "is signed by a CA that is not trusted",
    }
}

/// What to do about the chain.
pub(super) fn remedy(fault: &ChainFault) -> Remedy {
    words(match fault {
        ChainFault::NameConstraints | ChainFault::PathLength | ChainFault::Purpose => {
            "have another CA issue it"
        }
        ChainFault::NoIssuer(_) => {
            "put the intermediate CAs behind the certificate in the server's file, and reload it; for a CA of \
             your own, set `ca-file` in its [[endpoint]]"
        }
        ChainFault::NotJudged(_) => {
            "see whether a client that verifies it accepts it, such as with `curl`"
        }
        ChainFault::RejectedCa { .. } => {
            "put the right intermediate CAs behind the certificate in the server's file, and reload it; else have another \
             CA issue it"
        }
        ChainFault::SelfSigned => {
            "if that is meant, set `ca-file` in its [[endpoint]] to the certificate itself"
        }
        ChainFault::UnknownCa(_) => {
            "for a CA of your own, set `ca-file` in its [[endpoint]]; else have another CA issue it"
        }
    })
}

/// That it serves another certificate, and what follows from that.
pub(super) fn other(item: &Item, file: &Path, is_newer: bool, now: UnixTime) -> String {
    let file = show(file);
    if !is_newer {
        return format!("it serves another certificate than {file}, which is not newer");
    }
    let impact = item.role.impact;
    let end = match policy::expires(item) {
        Some(end) if end < now => format!("which has expired, on {}: {impact}", end.date()),
        Some(end) => format!("which expires in {}, on {}; then {impact}", end - now, end.date()),
        None => impact.to_owned(),
    };
    format!("{file} has been renewed, and it still serves an older certificate, {end}")
}

/// That it is not known whether it does.
pub(super) fn not_compared(file: &Path) -> String {
    format!("whether it serves {} is not known, since that was not read", show(file))
}

/// How to make it serve its file.
pub(super) fn make_serve(is_newer: bool) -> Remedy {
    words(if is_newer {
        "reload the server, such as with `systemctl reload nginx`: it reads the file at its start alone"
    } else {
        "find out which file the server uses, and correct `file` in its [[endpoint]]"
    })
}

/// How to make it possible to ask.
pub(super) fn let_connect() -> Remedy {
    words(
        "make that possible (a service's sandbox: docs/service.md), or leave endpoints out with `--offline`",
    )
}

/// How to see for oneself.
pub(super) fn connect(item: &Item) -> Remedy {
    let address = pasteable_text(&item.place.path.to_string_lossy());
    let name = match &item.place.entry {
        Entry::Endpoint(Some(name)) => {
            pasteable_text(name).map(|name| format!(" -servername {name}"))
        }
        _ => Some(String::new()),
    };
    let known = item.place.path.to_str().and_then(HostPort::parse);
    let before = match known.map_or(StartTls::None, |it| StartTls::of_port(it.port)) {
        StartTls::None => "",
        StartTls::Postgres => " -starttls postgres",
        StartTls::Smtp => " -starttls smtp",
    };
    match (address, name) {
        (Some(address), Some(name)) => {
            Remedy::Command(format!("openssl s_client -connect {address}{name}{before} </dev/null"))
        }
        _ => words("see what `openssl s_client` says"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::domain::model::{Content, Place, Reason};
    use crate::domain::role;

    #[test]
    fn a_command_to_see_for_oneself_does_what_the_probe_does() {
        let said = |address: &str, name: Option<&str>| {
            let place = Place::new(PathBuf::from(address), Entry::Endpoint(name.map(Into::into)));
            let silent =
                Content::Problem(Reason::EndpointSilent("it closes the connection".into()));
            connect(&Item::new(place, &role::ENDPOINT, silent)).to_string()
        };
        assert_eq!(said("a:443", None), "run: openssl s_client -connect a:443 </dev/null");
        assert_eq!(
            said("a:5432", Some("db")),
            "run: openssl s_client -connect a:5432 -servername db -starttls postgres </dev/null"
        );
        assert_eq!(
            said("[fd00::1]:25", None),
            "run: openssl s_client -connect '[fd00::1]:25' -starttls smtp </dev/null"
        );
    }
}
