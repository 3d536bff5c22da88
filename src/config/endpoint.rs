//! `[[endpoint]]`: servers that are asked for the certificate they present.

use std::collections::HashSet;
use std::path::PathBuf;

use serde::Serialize;
use toml::de::DeValue;

use crate::domain::endpoint::{self, HostPort, StartTls};

use super::error::Problem;
use super::path;
use super::section::Section;
use super::value::{self, wrong};

/// More than this cannot be asked within one scan, should none answer.
const MOST: usize = 200;

const STARTTLS: [(&str, StartTls); 3] =
    [("none", StartTls::None), ("smtp", StartTls::Smtp), ("postgres", StartTls::Postgres)];

/// A server that is asked for the certificate it presents.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct EndpointConfig {
    /// Where it is.
    pub address: HostPort,
    /// The name or address that its certificate has to be for.
    pub server_name: String,
    /// The CAs of which one must have signed it: a PEM file; without it, the system's.
    pub ca_file: Option<PathBuf>,
    /// The file whose certificate it should present; absolute.
    pub file: Option<PathBuf>,
    /// What comes before TLS.
    pub starttls: StartTls,
}

impl EndpointConfig {
    /// The server at `address`, of which nothing else is known.
    pub(crate) fn of_address(address: HostPort) -> Self {
        Self {
            server_name: address.host.to_string(),
            ca_file: None,
            file: None,
            starttls: StartTls::of_port(address.port),
            address,
        }
    }
}

pub(super) fn read(file: &mut Section<'_, '_>) -> Vec<EndpointConfig> {
    let mut known = HashSet::new();
    let all = file.sections("endpoint", |section| one(section, &mut known));
    if all.value.len() > MOST {
        file.refuse(&all, "is there too often", "at most 200 of [[endpoint]]");
    }
    all.value
}

/// `None` if its address is missing or wrong.
fn one(
    section: &mut Section<'_, '_>,
    known: &mut HashSet<(HostPort, String)>,
) -> Option<EndpointConfig> {
    let address = section.optional("address", host_port);
    section.require(&address, "host:port, such as \"www.example.org:443\"");
    let server_name = section.optional("server-name", server_name).value;
    let ca_file = section.optional("ca-file", path::file).value;
    let file = section.optional("file", path::file).value;
    let starttls = section.optional("starttls", |word| value::one_of(word, &STARTTLS)).value;
    let found = EndpointConfig::of_address(address.value.clone()?);
    let endpoint = EndpointConfig {
        server_name: server_name.unwrap_or(found.server_name),
        ca_file,
        file,
        starttls: starttls.unwrap_or(found.starttls),
        ..found
    };
    if !known.insert((endpoint.address.clone(), endpoint.server_name.clone())) {
        section.refuse(&address, "is there twice with the same server-name", "each one once");
    }
    Some(endpoint)
}

fn host_port(value: &DeValue<'_>) -> Result<HostPort, Problem> {
    let expected = "host:port, such as \"www.example.org:443\" or \"[2001:db8::1]:443\"";
    HostPort::parse(value::text(value)?).ok_or_else(|| wrong("is not a host and a port", expected))
}

fn server_name(value: &DeValue<'_>) -> Result<String, Problem> {
    endpoint::host_name(value::text(value)?)
        .ok_or_else(|| wrong("is not a host name", "a DNS name in ASCII, or an address"))
}
