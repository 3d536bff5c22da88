//! certwatch and Go itself, the library of every component of Kubernetes, about the same files: hundreds of
//! mutations of PEM and of certificates, and no disagreement.
//!
//! Needs Go and its module proxy: part of `make test-lab`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

#[path = "../common/mod.rs"]
mod common;
mod kubeconfig;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use certwatch::domain::hostname::covers;
use certwatch::domain::model::{Certificate, Defect, Signer};
use certwatch::domain::time::UnixTime;
use certwatch::parse::x509::{self, Anchor, Authority, Issuers};
use certwatch::parse::{pem, strict_pem};
use common::dice::Dice;
use common::node::{TEN_YEARS, YEAR};
use common::pki::{Authority as Ca, Days};
use rcgen::{
    CustomExtension, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SerialNumber,
};
use serde_json::Value;
use tempfile::TempDir;

/// Asked of every certificate.
const HOSTS: [&str; 9] = [
    "cp1",
    "CP1.",
    "a.example.com",
    "a.b.example.com",
    "example.com",
    "10.0.0.11",
    "::ffff:10.0.0.11",
    "[fd00::1]",
    "odd name",
];

/// Files by name, in a directory that Go reads.
struct Corpus {
    dir: TempDir,
    ca: Ca,
}

impl Corpus {
    fn new() -> Self {
        let corpus = Self { dir: TempDir::new().unwrap(), ca: Ca::new("kubernetes", TEN_YEARS) };
        corpus.write("default.ca", corpus.ca.pair.certificate.as_bytes());
        corpus
    }

    fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.dir.path().join(name), content).unwrap();
    }

    /// The CAs of a case.
    fn anchors(&self, case: &str) -> (Arc<Path>, Vec<Anchor>, Vec<Certificate>) {
        let own = self.dir.path().join(format!("{case}.ca"));
        let path = if own.exists() { own } else { self.dir.path().join("default.ca") };
        let blocks = pem::certificates(&fs::read(&path).unwrap()).into_iter().flatten();
        let ders: Vec<Vec<u8>> = blocks.map(|block| block.der).collect();
        let path: Arc<Path> = path.into();
        let anchors = x509::anchors(&path, false, &ders);
        let read = |der: &Vec<u8>| {
            x509::read(der, false, Authority::Beside(&[]), &Issuers::default()).unwrap()
        };
        let certificates = ders.iter().map(read).collect();
        (path, anchors, certificates)
    }
}

/// Leaves and CAs with one peculiarity each.
fn certificates(corpus: &Corpus) {
    use ExtendedKeyUsagePurpose::{Any, ClientAuth, CodeSigning, ServerAuth};
    let ca = &corpus.ca;
    let sans = ["cp1", "*.example.com", "10.0.0.11", "fd00::1"];
    let leaf = |name: &str, change: &dyn Fn(&mut rcgen::CertificateParams)| {
        let pair = ca.changed_leaf("cp1", "", &sans, YEAR, change);
        corpus.write(&format!("{name}.pem"), pair.certificate.as_bytes());
    };
    leaf("plain", &|_| ());
    leaf("no-names", &|it| it.subject_alt_names.clear());
    leaf("negative", &|it| it.serial_number = Some(SerialNumber::from(vec![0x85, 1])));
    for (name, usages) in [
        ("server", vec![ServerAuth]),
        ("client", vec![ClientAuth]),
        ("any", vec![Any]),
        ("code", vec![CodeSigning]),
        ("no-usage", vec![]),
    ] {
        leaf(name, &|it| it.extended_key_usages.clone_from(&usages));
    }
    let identifiers: [&[u64]; 8] = [
        &[1, 2, 3, 4],
        &[2, 5, 29, 14],
        &[2, 5, 29, 18],
        &[2, 5, 29, 32],
        &[2, 5, 29, 54],
        &[2, 5, 29, 9],
        &[1, 3, 6, 1, 5, 5, 7, 1, 1],
        &[2, 16, 840, 1, 113730, 1, 1],
    ];
    let values: [&[u8]; 5] = [&[5, 0], &[4, 1, 7], &[0x30, 0], &[2, 1, 3], &[3, 2, 5, 0xa0]];
    for (number, oid) in identifiers.iter().enumerate() {
        for (other, value) in values.iter().enumerate() {
            for (is_critical, times) in [(false, 1), (true, 1), (false, 2)] {
                let mut one = CustomExtension::from_oid_content(oid, value.to_vec());
                one.set_criticality(is_critical);
                leaf(&format!("extension-{number}-{other}-{is_critical}-{times}"), &|it| {
                    it.custom_extensions = vec![one.clone(); times];
                });
            }
        }
    }
    for (name, change) in CAS {
        let key = KeyPair::generate().unwrap();
        let ca = Ca::changed("odd", TEN_YEARS, key, change);
        let case = format!("below-{name}");
        corpus.write(&format!("{case}.ca"), ca.pair.certificate.as_bytes());
        corpus
            .write(&format!("{case}.pem"), ca.leaf("cp1", "", &sans, YEAR).certificate.as_bytes());
    }
    let old = ca.leaf("cp1", "", &sans, Days(-400, -30));
    corpus.write("expired.pem", old.certificate.as_bytes());
    let stranger = Ca::new("kubernetes", TEN_YEARS).leaf("cp1", "", &sans, YEAR);
    corpus.write("stranger.pem", stranger.certificate.as_bytes());
}

type ChangeOfCa = fn(&mut rcgen::CertificateParams);

const CAS: [(&str, ChangeOfCa); 7] = [
    ("ca", |_| ()),
    ("no-ca", |it| it.is_ca = IsCa::ExplicitNoCa),
    ("nothing", |it| it.is_ca = IsCa::NoCa),
    ("no-usage", |it| it.key_usages.clear()),
    ("wrong-usage", |it| it.key_usages = vec![KeyUsagePurpose::DigitalSignature]),
    ("servers", |it| it.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]),
    ("critical", |it| {
        let mut unknown = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
        unknown.set_criticality(true);
        it.custom_extensions = vec![unknown];
    }),
];

/// What openssl makes and rcgen does not.
fn by_openssl(corpus: &Corpus) {
    let dir = corpus.dir.path();
    let openssl = |words: &str| {
        let ran = Command::new("openssl").args(words.split_whitespace()).current_dir(dir).output();
        let ran = ran.unwrap();
        assert!(ran.status.success(), "{words}: {}", String::from_utf8_lossy(&ran.stderr));
    };
    fs::write(dir.join("ext"), "subjectAltName=DNS:cp1\n").unwrap();
    openssl("genrsa -out leaf.key 2048");
    openssl("req -new -key leaf.key -subj /CN=cp1 -out leaf.csr");
    for bits in [512, 1023, 1024, 2048] {
        for hash in ["md5", "sha1", "sha256", "sha384"] {
            // SHA-384 does not fit into 512 bits.
            if (bits, hash) == (512, "sha384") {
                continue;
            }
            let case = format!("rsa-{bits}-{hash}");
            openssl(&format!("genrsa -out ca.key {bits}"));
            openssl(&format!(
                "req -x509 -new -key ca.key -subj /CN=rsa -days 99 -sha256 -out {case}.ca"
            ));
            let sign =
                format!("x509 -req -in leaf.csr -CA {case}.ca -CAkey ca.key -days 9 -{hash}");
            openssl(&format!("{sign} -extfile ext -out {case}.pem"));
            openssl(&format!("{sign} -extfile ext -set_serial -7 -out {case}-negative.pem"));
            fs::copy(dir.join(format!("{case}.ca")), dir.join(format!("{case}-negative.ca")))
                .unwrap();
            openssl(&format!("{sign} -out {case}-v1.pem"));
            fs::copy(dir.join(format!("{case}.ca")), dir.join(format!("{case}-v1.ca"))).unwrap();
        }
    }
}

/// PEM text, changed by chance where its rules are.
fn texts(corpus: &Corpus, dice: &mut Dice) {
    let leaf = corpus.ca.leaf("cp1", "", &["cp1"], YEAR);
    let good = [leaf.certificate, corpus.ca.pair.certificate.clone(), leaf.key];
    const PIECES: [&str; 22] = [
        "\n",
        "\r",
        "\r\n",
        " ",
        "\t",
        "-",
        "-----",
        ":",
        "A: b\n",
        "=",
        "*",
        "\u{feff}",
        "X509 ",
        "TRUSTED ",
        "-----BEGIN ",
        "-----END ",
        "-----BEGIN CERTIFICATE-----",
        "-----END CERTIFICATE-----",
        "CERTIFICATE",
        "\n-----END CERTIFICATE-----\n",
        "#",
        "\u{b}",
    ];
    for number in 0..900 {
        let mut text = String::new();
        for _ in 0..=dice.below(3) {
            let block = &good[usize::try_from(dice.below(3)).unwrap()];
            text += if dice.below(3) == 0 { block.trim_end() } else { block };
        }
        for _ in 0..dice.below(4) {
            // Where the rules are: at the dashes, at the ends of lines, or anywhere.
            let places: Vec<usize> = match dice.below(3) {
                0 => text
                    .match_indices("-----")
                    .map(|(at, _)| at + usize::from(number % 2 == 0) * 5)
                    .collect(),
                1 => text.match_indices('\n').map(|(at, _)| at).collect(),
                _ => (0..text.len()).filter(|at| text.is_char_boundary(*at)).collect(),
            };
            let Some(at) = pick(&places, dice) else { continue };
            if dice.below(4) == 0 {
                let end = (at + 1..=text.len()).find(|end| text.is_char_boundary(*end));
                text.replace_range(at..end.unwrap_or(at), "");
            } else {
                let piece = PIECES[usize::try_from(dice.below(PIECES.len() as u64)).unwrap()];
                text.insert_str(at, piece);
            }
        }
        let text = match dice.below(8) {
            0 => text.replace('\n', "\r\n"),
            1 => text.replace('\n', "\r"),
            _ => text,
        };
        corpus.write(&format!("text-{number}.pem"), text.as_bytes());
    }
}

fn pick(places: &[usize], dice: &mut Dice) -> Option<usize> {
    let count = u64::try_from(places.len()).unwrap();
    (count > 0).then(|| places[usize::try_from(dice.below(count)).unwrap()])
}

/// The one in Go, built into this directory.
fn program(dir: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/go");
    let program = dir.join("judge");
    let mut build = Command::new("go");
    build.args(["build", "-o"]).arg(&program).arg(".").current_dir(source);
    assert!(build.status().unwrap().success());
    program
}

/// What Go says, by case.
fn go(corpus: &Corpus, at: UnixTime) -> BTreeMap<String, Value> {
    let mut judge = Command::new(program(corpus.dir.path()));
    let ran = judge.arg(corpus.dir.path()).arg(at.to_string()).args(HOSTS).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let lines = String::from_utf8(ran.stdout).unwrap();
    let said = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    said.map(|it| (it["case"].as_str().unwrap().to_owned(), it)).collect()
}

/// What certwatch says of a block, as Go says it.
fn judge(corpus: &Corpus, case: &str, der: &[u8], at: UnixTime) -> [bool; 3] {
    let (path, anchors, cas) = corpus.anchors(case);
    let authority = Authority::Named(&path, &anchors);
    let Ok(read) = x509::read(der, false, authority, &Issuers::default()) else {
        return [false; 3];
    };
    let is_parsed = !read.defects.iter().any(is_of_parser);
    let is_trusted = cas.iter().any(|ca| ca.sha256 == read.sha256);
    let is_signed = matches!(&read.signer, Signer::Verified(signer) if {
        let ca = cas.iter().find(|ca| ca.sha256 == signer.sha256).unwrap();
        !ca.defects.iter().any(|it| is_of_parser(it) || matches!(
            it,
            Defect::NotForSigning | Defect::RsaKey(..1024) | Defect::UnknownCriticalExtension(_)
        )) && ca.not_before <= at && at <= ca.not_after
    });
    let has = |defect: &dyn Fn(&Defect) -> bool| read.defects.iter().any(defect);
    let is_valid = read.not_before <= at
        && at <= read.not_after
        && !has(&|it| matches!(it, Defect::UnknownCriticalExtension(_)))
        && (is_trusted || is_signed && !has(&|it| matches!(it, Defect::WeakSignature(_))));
    let used = |excluded: &Defect| {
        let by_ca = !is_trusted && cas.iter().any(|ca| ca.defects.contains(excluded));
        is_parsed && is_valid && !read.defects.contains(excluded) && !by_ca
    };
    [is_parsed, used(&Defect::NotForServers), used(&Defect::NotForClients)]
}

fn is_of_parser(defect: &Defect) -> bool {
    matches!(defect, Defect::DuplicateExtension(_) | Defect::Malformed(_) | Defect::NegativeSerial)
}

fn disagreements(corpus: &Corpus, case: &str, said: &Value, at: UnixTime) -> Vec<String> {
    let text = fs::read(corpus.dir.path().join(format!("{case}.pem"))).unwrap();
    let blocks = strict_pem::blocks(&text);
    let of_go = said["blocks"].as_array().unwrap();
    let shape = |label: &str, line: u64, headers: bool, sum: &str| {
        format!("{label} {line} {headers} {sum}")
    };
    let ours: Vec<String> = blocks
        .iter()
        .map(|it| {
            let sum = x509::sha256(&it.der).to_string();
            shape(&String::from_utf8_lossy(&it.label), it.line.into(), it.has_headers, &sum)
        })
        .collect();
    let theirs: Vec<String> = of_go
        .iter()
        .map(|it| {
            let [label, sum] = ["label", "sha256"].map(|field| it[field].as_str().unwrap());
            shape(label, it["line"].as_u64().unwrap(), it["headers"] == true, sum)
        })
        .collect();
    if ours != theirs {
        return vec![format!("{case}: blocks {ours:?}, Go {theirs:?}")];
    }
    let mut found = Vec::new();
    for (block, go) in blocks.iter().zip(of_go) {
        if block.label != b"CERTIFICATE" {
            continue;
        }
        let ours = judge(corpus, case, &block.der, at);
        let theirs = ["parsed", "as_server", "as_client"].map(|field| go[field] == true);
        if ours != theirs {
            found.push(format!(
                "{case}: [parsed, server, client] {ours:?}, Go {theirs:?} {}",
                go["error"]
            ));
        }
        let read = x509::read(&block.der, false, Authority::Beside(&[]), &Issuers::default());
        let (Ok(read), true) = (read, theirs[0]) else { continue };
        for host in HOSTS {
            let (ours, theirs) = (covers(&read.sans, host), go["hosts"][host] == true);
            if ours != theirs {
                found.push(format!("{case}: {host} {ours}, Go {theirs}"));
            }
        }
    }
    found.extend(bundle(case, &text, said));
    found
}

/// A CA's file: what is read without a fault is what client-go finds.
fn bundle(case: &str, text: &[u8], said: &Value) -> Option<String> {
    let of_go = usize::try_from(said["bundle"].as_i64()?).ok()?;
    let read = pem::certificates(text).into_iter().flatten();
    let ours = read.filter(|block| block.fault.is_none()).count();
    (ours != of_go).then(|| format!("{case}: a bundle of {ours}, Go {of_go}"))
}

#[test]
fn there_is_no_disagreement_with_go() {
    let corpus = Corpus::new();
    certificates(&corpus);
    by_openssl(&corpus);
    texts(&corpus, &mut Dice::of_environment());
    let at = certwatch::sys::now();
    let said = go(&corpus, at);
    assert!(said.len() > 1000, "only {} cases", said.len());
    let wrong: Vec<String> =
        said.iter().flat_map(|(case, said)| disagreements(&corpus, case, said, at)).collect();
    assert!(wrong.is_empty(), "{} disagreements:\n{}", wrong.len(), wrong.join("\n"));
}
