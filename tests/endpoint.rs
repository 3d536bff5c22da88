//! `certwatch check HOST:PORT` and `[[endpoint]]`, on real handshakes.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::fs;
use std::io::Write as _;
use std::net::{Shutdown, TcpListener};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use common::endpoint::{Presenting, postgres, serve, smtp};
use common::pki::{Authority, Days, Pair};
use common::run::{certwatch, codes};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, GeneralSubtree,
    IsCa, KeyPair, KeyUsagePurpose, NameConstraints,
};
use serde_json::Value;
use tempfile::TempDir;

const YEAR: Days = Days(-1, 365);
const TEN_YEARS: Days = Days(-1, 3_650);

/// A directory with a CA and a configuration.
struct Site {
    directory: TempDir,
    ca: Authority,
}

impl Site {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let ca = Authority::new("site-ca", TEN_YEARS);
        fs::write(directory.path().join("ca.pem"), &ca.pair.certificate).unwrap();
        Self { directory, ca }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn leaf(&self, names: &[&str], days: Days) -> Pair {
        self.ca.leaf("www", "", names, days)
    }

    /// Writes an `[[endpoint]]` with the CA, and more lines.
    fn configure(&self, address: &str, more: &str) {
        let ca = self.path("ca.pem");
        // Nothing of this machine is looked at.
        let text = format!(
            "[scan]\nstandard = false\npaths = [{ca:?}]\n[[endpoint]]\naddress = {address:?}\nca-file = {ca:?}\n{more}\n"
        );
        fs::write(self.path("config.toml"), text).unwrap();
    }

    /// Checks what is configured.
    fn check(&self, more: &[&str]) -> (Value, i32) {
        let config = self.path("config.toml");
        let arguments = ["check", "-o", "json", "--config", config.to_str().unwrap()];
        let run = certwatch([&arguments, more].concat());
        let document: Value = serde_json::from_str(&run.stdout).unwrap_or_default();
        assert!(document.is_object(), "{run:?}");
        (document, run.code)
    }

    /// The codes of what is said of a server that presents `pair`.
    fn said_of(&self, pair: &Pair, more: &str) -> Vec<String> {
        let server = Presenting::new(pair);
        self.configure(&server.address(), more);
        let (document, _) = self.check(&[]);
        codes(&document, &server.address())
    }
}

fn row<'a>(document: &'a Value, path: &str) -> &'a Value {
    let rows = document["certificates"].as_array().unwrap();
    rows.iter().find(|row| row["path"] == path).unwrap()
}

fn message(document: &Value, path: &str) -> String {
    row(document, path)["findings"][0]["message"].as_str().unwrap().to_owned()
}

fn chained(leaf: &Pair, behind: &[&Pair]) -> Pair {
    let behind: String = behind.iter().map(|it| it.certificate.as_str()).collect();
    Pair { certificate: leaf.certificate.clone() + &behind, key: leaf.key.clone() }
}

#[test]
fn a_server_in_order_is_ok_and_has_a_row() {
    let site = Site::new();
    let server = Presenting::new(&site.leaf(&["localhost"], YEAR));
    site.configure(&server.address(), "");
    let (document, code) = site.check(&[]);
    assert_eq!(code, 0, "{document:#}");
    let row = row(&document, &server.address());
    assert_eq!(row["entry"]["kind"], "endpoint");
    assert_eq!(
        (&row["role"], &row["ca"]["path"]),
        (&"endpoint".into(), &site.path("ca.pem").to_str().unwrap().into())
    );
    assert_eq!(document["endpoints_left_out"], 0);
}

#[test]
fn what_clients_would_reject_is_said() {
    let site = Site::new();
    let said = |pair: &Pair| site.said_of(pair, "");
    assert_eq!(said(&site.leaf(&["localhost"], Days(-90, -3))), ["expired"]);
    assert_eq!(said(&site.leaf(&["localhost"], Days(-360, 5))), ["expires"]);
    assert_eq!(said(&site.leaf(&["localhost"], Days(2, 365))), ["not_yet_valid"]);
    assert_eq!(said(&site.leaf(&["www.example.org", "127.0.0.1"], YEAR)), ["name_missing"]);
    assert_eq!(said(&site.leaf(&[], YEAR)), ["no_san"]);
    let stranger = Authority::new("stranger", TEN_YEARS);
    let leaf = stranger.leaf("www", "", &["localhost"], YEAR);
    assert_eq!(said(&leaf), ["missing_intermediate"]);
    assert_eq!(said(&chained(&leaf, &[&stranger.pair])), ["unknown_ca"]);
    // Of the same name, with another key.
    let namesake = Authority::new("site-ca", TEN_YEARS).leaf("www", "", &["localhost"], YEAR);
    assert_eq!(said(&namesake), ["missing_intermediate"]);
    let client = site.ca.changed_leaf("www", "", &["localhost"], YEAR, |params| {
        params.extended_key_usages.truncate(1);
    });
    assert_eq!(said(&client), ["wrong_usage"]);
}

#[test]
fn a_self_signed_certificate_is_trusted_if_it_is_named() {
    let site = Site::new();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap().pem();
    let pair = Pair { certificate, key: key.serialize_pem() };
    assert_eq!(site.said_of(&pair, ""), ["self_signed"]);
    fs::write(site.path("ca.pem"), &pair.certificate).unwrap();
    assert_eq!(site.said_of(&pair, ""), [""; 0]);
}

#[test]
fn the_chain_counts_as_it_is_presented() {
    let site = Site::new();
    let between = site.ca.intermediate("between", Days(-1, 20));
    let leaf = between.leaf("www", "", &["localhost"], YEAR);
    assert_eq!(site.said_of(&leaf, ""), ["missing_intermediate"]);
    let server = Presenting::new(&chained(&leaf, &[&between.pair, &site.ca.pair]));
    site.configure(&server.address(), "");
    let (document, code) = site.check(&[]);
    // It ends with the CA in between.
    assert_eq!(code, 1, "{document:#}");
    assert!(message(&document, &server.address()).starts_with("expires with its CA in 20 d"));
    // In a year everything of it is over.
    let (document, _) = site.check(&["--in", "30d"]);
    assert_eq!(codes(&document, &server.address()), ["expired"]);
}

#[test]
fn what_a_ca_may_not_sign_is_rejected() {
    let site = Site::new();
    let ca = Authority::changed("site-ca", TEN_YEARS, KeyPair::generate().unwrap(), |params| {
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName("example.org".to_owned())],
            excluded_subtrees: Vec::new(),
        });
    });
    fs::write(site.path("ca.pem"), &ca.pair.certificate).unwrap();
    let leaf = ca.leaf("www", "", &["localhost"], YEAR);
    assert_eq!(site.said_of(&leaf, ""), ["forbidden_by_ca"]);
    let leaf = ca.leaf("www", "", &["www.example.org"], YEAR);
    assert_eq!(site.said_of(&leaf, "server-name = 'www.example.org'"), [""; 0]);
}

/// What Go rejects, of CAs that have signed as they should.
#[test]
fn a_ca_that_clients_reject_is_no_ca() {
    let site = Site::new();
    let said = |change: fn(&mut CertificateParams)| {
        let key = KeyPair::generate().unwrap();
        let between = site.ca.changed_intermediate("between", TEN_YEARS, key, change);
        let leaf = between.leaf("www", "", &["localhost"], YEAR);
        site.said_of(&chained(&leaf, &[&between.pair]), "")
    };
    assert_eq!(said(|_| ()), [""; 0]);
    assert_eq!(said(|ca| ca.is_ca = IsCa::NoCa), ["rejected_ca"]);
    assert_eq!(said(|ca| ca.is_ca = IsCa::ExplicitNoCa), ["rejected_ca"]);
    assert_eq!(said(|ca| ca.key_usages = vec![KeyUsagePurpose::CrlSign]), ["rejected_ca"]);
    let client = |ca: &mut CertificateParams| {
        ca.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    };
    assert_eq!(said(client), ["forbidden_by_ca"]);
    let unknown = |ca: &mut CertificateParams| {
        let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 9], vec![5, 0]);
        extension.set_criticality(true);
        ca.custom_extensions.push(extension);
    };
    assert_eq!(said(unknown), ["rejected_ca"]);
    // PolicyConstraints: requireExplicitPolicy is 0.
    let policies = |ca: &mut CertificateParams| {
        let value = vec![0x30, 3, 0x80, 1, 0];
        ca.custom_extensions.push(CustomExtension::from_oid_content(&[2, 5, 29, 36], value));
    };
    assert_eq!(said(policies), ["chain_not_judged"]);
}

/// The verifier of TLS libraries that takes a root for a key alone does not see these.
#[test]
fn a_trusted_ca_is_bound_by_what_it_says() {
    let site = Site::new();
    let said = |between: bool, change: fn(&mut CertificateParams)| {
        let ca = Authority::changed("site-ca", TEN_YEARS, KeyPair::generate().unwrap(), change);
        fs::write(site.path("ca.pem"), &ca.pair.certificate).unwrap();
        if !between {
            return site.said_of(&ca.leaf("www", "", &["localhost"], YEAR), "");
        }
        let below = ca.intermediate("between", TEN_YEARS);
        let leaf = below.leaf("www", "", &["localhost"], YEAR);
        site.said_of(&chained(&leaf, &[&below.pair]), "")
    };
    let none_below =
        |ca: &mut CertificateParams| ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    assert_eq!(said(false, none_below), [""; 0]);
    assert_eq!(said(true, none_below), ["forbidden_by_ca"]);
    let no_signer = |ca: &mut CertificateParams| ca.key_usages = vec![KeyUsagePurpose::CrlSign];
    assert_eq!(said(false, no_signer), ["rejected_ca"]);
    let client = |ca: &mut CertificateParams| {
        ca.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    };
    assert_eq!(said(false, client), ["forbidden_by_ca"]);
    assert_eq!(said(false, |ca| ca.is_ca = IsCa::ExplicitNoCa), ["rejected_ca"]);
}

fn openssl(directory: &Path, words: &str) {
    let mut command = std::process::Command::new("openssl");
    command.args(words.split_whitespace()).current_dir(directory);
    let run = common::run::finish(&mut command);
    assert_eq!(run.code, 0, "openssl {words}: {run:?}");
}

/// What the verifier of rustls does not know, it cannot see through: ECDSA on P-521, and hashes that are broken.
#[test]
fn a_chain_is_judged_whatever_its_algorithms() {
    let site = Site::new();
    let directory = site.directory.path();
    let read = |name: &str| fs::read_to_string(site.path(name)).unwrap();
    let new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-521 -nodes -days 900";
    let constraint = "-addext nameConstraints=critical,permitted;DNS:example.org";
    openssl(directory, &format!("{new} -subj /CN=site-ca -keyout ca.key -out ca.pem {constraint}"));
    let request = "req -newkey rsa:2048 -nodes";
    openssl(
        directory,
        &format!("{request} -subj /CN=between -keyout between.key -out between.csr"),
    );
    openssl(directory, &format!("{request} -subj /CN=www -keyout www.key -out www.csr"));
    fs::write(site.path("ca.ext"), "basicConstraints=critical,CA:TRUE\n").unwrap();
    let sign = |name: &str, by: &str, names: &str, hash: &str| {
        if name == "www" {
            fs::write(site.path("www.ext"), format!("subjectAltName=DNS:{names}\n")).unwrap();
        }
        let extensions = if name == "www" { "www.ext" } else { "ca.ext" };
        let by = format!("-CA {by}.pem -CAkey {by}.key -CAcreateserial -extfile {extensions}");
        openssl(
            directory,
            &format!("x509 -req -in {name}.csr -days 300 {by} -{hash} -out {name}.pem"),
        );
        read(&format!("{name}.pem"))
    };
    let said = |certificate: String, name: &str| {
        let pair = Pair { certificate, key: read("www.key") };
        site.said_of(&pair, &format!("server-name = '{name}'"))
    };
    assert_eq!(said(sign("www", "ca", "localhost", "sha256"), "localhost"), ["forbidden_by_ca"]);
    assert_eq!(said(sign("www", "ca", "a.example.org", "sha256"), "a.example.org"), [""; 0]);
    let between = sign("between", "ca", "", "sha1");
    let leaf = sign("www", "between", "a.example.org", "sha256");
    assert_eq!(said(leaf + &between, "a.example.org"), ["rejected_ca"]);
    // Whoever parses the chain stops at what is no certificate.
    let damaged = "-----BEGIN CERTIFICATE-----\nMAMCAQA=\n-----END CERTIFICATE-----\n";
    let leaf = sign("www", "ca", "a.example.org", "sha256");
    assert_eq!(said(leaf + damaged, "a.example.org"), ["rejected_ca"]);
}

#[test]
fn a_chain_ends_and_begins_with_its_cas() {
    let site = Site::new();
    let said = |days: Days| {
        let between = site.ca.intermediate("between", days);
        let leaf = between.leaf("www", "", &["localhost"], YEAR);
        site.said_of(&chained(&leaf, &[&between.pair]), "")
    };
    assert_eq!(said(Days(-90, -3)), ["expired"]);
    assert_eq!(said(Days(3, 3_000)), ["not_yet_valid"]);
}

#[test]
fn any_way_to_a_trusted_ca_will_do() {
    let site = Site::new();
    let key = KeyPair::generate().unwrap();
    let copy = || KeyPair::from_pem(&key.serialize_pem()).unwrap();
    let new = Authority::changed("new-ca", TEN_YEARS, copy(), |_| ());
    let leaf = new.leaf("www", "", &["localhost"], YEAR);
    // By the old root, which trusts the new one; in any order, with the root itself, and with strangers.
    let crossed = site.ca.changed_intermediate("new-ca", TEN_YEARS, copy(), |_| ());
    let stranger = Authority::new("stranger", TEN_YEARS);
    let lapsed = site.ca.changed_intermediate("new-ca", Days(-90, -3), copy(), |_| ());
    let namesake = Authority::new("new-ca", TEN_YEARS);
    for behind in [
        &[&crossed.pair][..],
        &[&site.ca.pair, &stranger.pair, &crossed.pair],
        &[&lapsed.pair, &crossed.pair],
        &[&namesake.pair, &new.pair, &crossed.pair],
    ] {
        assert_eq!(site.said_of(&chained(&leaf, behind), ""), [""; 0]);
    }
    assert_eq!(site.said_of(&chained(&leaf, &[&lapsed.pair]), ""), ["expired"]);
    assert_eq!(site.said_of(&chained(&leaf, &[&namesake.pair]), ""), ["missing_intermediate"]);
    // An intermediate CA may be what is trusted.
    fs::write(site.path("ca.pem"), &crossed.pair.certificate).unwrap();
    assert_eq!(site.said_of(&leaf, ""), [""; 0]);
}

/// cert-manager had renewed the Secret, and nginx served the certificate of before.
#[test]
fn a_server_that_goes_on_with_the_old_certificate_is_found_until_it_is_reloaded() {
    let site = Site::new();
    let (old, new) = (site.leaf(&["localhost"], Days(-70, 20)), site.leaf(&["localhost"], YEAR));
    let (file, server) = (site.path("tls.crt"), Presenting::new(&old));
    site.configure(&server.address(), &format!("file = {file:?}"));
    fs::write(&file, &old.certificate).unwrap();
    let (document, _) = site.check(&[]);
    assert_eq!(codes(&document, &server.address()), ["expires"]);
    fs::write(&file, &new.certificate).unwrap();
    let (document, code) = site.check(&[]);
    assert_eq!(
        (code, codes(&document, &server.address())),
        (1, vec!["expires".into(), "stale_in_use".into()])
    );
    let (document, code) = site.check(&["--in", "15d"]);
    assert_eq!((code, codes(&document, &server.address()).len()), (2, 2), "{document:#}");
    server.reload(&new);
    let (document, code) = site.check(&[]);
    assert_eq!((code, codes(&document, &server.address())), (0, vec![]), "{document:#}");
    // One that was put there by mistake is not newer.
    fs::write(&file, &old.certificate).unwrap();
    let (document, _) = site.check(&[]);
    assert_eq!(codes(&document, &server.address()), ["serves_other"]);
    // Never compared is never OK.
    fs::remove_file(&file).unwrap();
    let (document, code) = site.check(&[]);
    assert_eq!((code, codes(&document, &server.address())), (3, vec!["not_compared".into()]));
    assert_eq!(codes(&document, "tls.crt"), ["not_found"]);
}

#[test]
fn starttls_comes_before_tls_where_it_belongs() {
    let site = Site::new();
    let pair = site.leaf(&["localhost"], YEAR);
    for (preface, kind) in [(smtp as common::endpoint::Preface, "smtp"), (postgres, "postgres")] {
        let server = Presenting::after(preface, &pair);
        for (configured, expected) in [(kind, 0), ("none", 3)] {
            site.configure(&server.address(), &format!("starttls = {configured:?}"));
            let (document, code) = site.check(&[]);
            assert_eq!(code, expected, "{kind} {configured}: {document:#}");
        }
    }
    let server = Presenting::new(&pair);
    site.configure(&server.address(), "starttls = 'postgres'");
    let (document, code) = site.check(&[]);
    assert_eq!((code, codes(&document, &server.address())), (3, vec!["not_answering".into()]));
}

#[test]
fn a_server_that_does_not_play_along_is_unknown_in_time() {
    let site = Site::new();
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let silent = serve(|_stream| thread::sleep(Duration::from_secs(40)));
    let drips = serve(|mut stream| {
        while stream.write_all(b"\x16").is_ok() {
            thread::sleep(Duration::from_millis(200));
        }
    });
    let floods = serve(|mut stream| while stream.write_all(&[0x16; 1 << 16]).is_ok() {});
    let closes = serve(|stream| stream.shutdown(Shutdown::Both).unwrap());
    let speaks = serve(|mut stream| {
        let _ = stream.write_all(b"220 mail.example.org ESMTP\r\n");
        thread::sleep(Duration::from_secs(40));
    });
    let ports = [closed, silent, drips, floods, closes, speaks];
    let addresses = ports.map(|port| format!("127.0.0.1:{port}"));
    fs::write(site.path("config.toml"), "").unwrap();
    let (document, code) = site.check(&addresses.each_ref().map(String::as_str));
    assert_eq!(code, 3, "{document:#}");
    for address in &addresses {
        assert_eq!(codes(&document, address), ["not_answering"], "{document:#}");
    }
    assert!(message(&document, &addresses[0]).contains("refused"));
    assert!(message(&document, &addresses[1]).contains("no answer within 5 s"));
    assert!(message(&document, &addresses[5]).contains("is not TLS"));
}

#[test]
fn nothing_is_connected_to_where_that_is_not_wanted() {
    let site = Site::new();
    let server = Presenting::new(&site.leaf(&["localhost"], YEAR));
    site.configure(&server.address(), "");
    let root = TempDir::new().unwrap();
    for more in [&["--offline"][..], &["--root", root.path().to_str().unwrap()]] {
        let (document, _) = site.check(more);
        assert_eq!(document["endpoints_left_out"], 1);
        assert_eq!(codes(&document, &server.address()), [""; 0]);
        let run = certwatch([&["check", &server.address()], more].concat());
        assert_eq!(run.code, 3);
        assert!(run.stderr.contains("connect to nothing"), "{run:?}");
    }
    let config = site.path("config.toml");
    let run = certwatch(["check", "--offline", "--config", config.to_str().unwrap()]);
    assert!(run.stdout.contains("1 endpoint was not checked."), "{run:?}");
}

#[test]
fn a_named_server_has_the_settings_of_its_endpoint() {
    let site = Site::new();
    let server = Presenting::new(&site.leaf(&["www.example.org"], YEAR));
    site.configure(&server.address(), "server-name = 'www.example.org'");
    let (document, code) = site.check(&[&server.address()]);
    assert_eq!((code, document["certificates"].as_array().unwrap().len()), (0, 1), "{document:#}");
    assert_eq!(row(&document, &server.address())["entry"]["name"], "www.example.org");
    // Of another address nothing is configured, and no CA of the system has signed that.
    let other = format!("127.0.0.1:{}", server.port);
    let (document, code) = site.check(&[&other]);
    assert_eq!(code, 2, "{document:#}");
    assert_eq!(codes(&document, &other), ["missing_intermediate", "name_missing"]);
}

#[test]
fn a_file_of_such_a_name_is_written_with_its_directory() {
    let site = Site::new();
    let name = "localhost:1";
    fs::write(site.path(name), &site.leaf(&["localhost"], YEAR).certificate).unwrap();
    let check = |word: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_certwatch"));
        command.args(["check", "-o", "json", word]).current_dir(site.directory.path());
        let run = common::run::finish(&mut command);
        let document: Value = serde_json::from_str(&run.stdout).unwrap();
        document["certificates"][0]["entry"]["kind"].as_str().unwrap().to_owned()
    };
    assert_eq!(check("./localhost:1"), "pem");
    assert_eq!(check(name), "endpoint");
}

#[test]
fn a_ca_file_that_cannot_be_used_is_said_and_nobody_is_asked() {
    let site = Site::new();
    let server = Presenting::new(&site.leaf(&["localhost"], YEAR));
    site.configure(&server.address(), "");
    fs::write(site.path("ca.pem"), "nothing").unwrap();
    let (document, _) = site.check(&[]);
    assert_eq!(codes(&document, &server.address()), ["not_asked"]);
    assert!(message(&document, &server.address()).contains("no_certificate_found"));
}

/// Names that are not resolved, in every output.
#[test]
fn a_name_that_nobody_knows_is_unknown() {
    let site = Site::new();
    let name = "no-such-host.invalid:443";
    site.configure(name, "");
    let (document, code) = site.check(&[]);
    assert_eq!((code, codes(&document, name)), (3, vec!["not_answering".into()]));
    assert!(message(&document, name).contains("resolved"), "{document:#}");
    let config = site.path("config.toml");
    let output = |format: &str| {
        let run = certwatch(["check", "-o", format, "--config", config.to_str().unwrap()]);
        run.stdout
    };
    assert!(output("table").contains(name));
    assert!(output("nagios").starts_with(&format!("CERTWATCH UNKNOWN - {name}: ")));
    let metrics = output("prometheus");
    assert!(
        metrics.contains(&format!("x509_cert_error{{filename=\"{name}\",filepath=\"{name}\"}} 1"))
    );
    assert!(
        metrics.contains("x509_source_up{source_kind=\"endpoint\",source_name=\"certwatch\"} 0")
    );
}

#[test]
fn the_system_is_trusted_where_nothing_else_is_said() {
    let site = Site::new();
    let server = Presenting::new(&site.leaf(&["localhost"], YEAR));
    fs::write(site.path("config.toml"), "").unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_certwatch"));
    let config = site.path("config.toml");
    // As a package of ca-certificates would have it.
    command.env("SSL_CERT_FILE", site.path("ca.pem")).env_remove("SSL_CERT_DIR");
    command.args(["check", "--config"]).arg(&config as &Path).arg(server.address());
    let run = common::run::finish(&mut command);
    assert_eq!(run.code, 0, "{run:?}");
}
