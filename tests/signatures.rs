//! Signatures of every algorithm that openssl makes: verified, refused and unchecked are apart.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::path::Path;
use std::process::Command;
use std::slice;
use std::sync::{Arc, OnceLock};

use certwatch::domain::model::{Certificate, ClientAuth, Signer};
use certwatch::domain::time::Span;
use certwatch::parse::pem;
use certwatch::parse::x509::{self, Authority, Issuers};
use proptest::prelude::*;
use tempfile::TempDir;

/// What is expected of a good signature.
enum Expected {
    Verified,
    /// With this name.
    Unchecked(&'static str),
}
use Expected::{Unchecked, Verified};

/// A CA called `kubernetes`, with a directory of its own.
struct Ca(TempDir);

impl Ca {
    /// `key` is for `openssl genpkey -algorithm`.
    fn new(key: &str) -> Self {
        let ca = Self(TempDir::new().unwrap());
        ca.openssl(&format!("genpkey -algorithm {key} -out ca.key"));
        let subject = "-subj /CN=kubernetes -days 30 -addext subjectKeyIdentifier=0102030405060708";
        ca.openssl(&format!("req -x509 -new -key ca.key {subject} -out ca.crt"));
        ca
    }

    fn openssl(&self, words: &str) {
        let mut openssl = Command::new("openssl");
        let ran = openssl.args(words.split_whitespace()).current_dir(&self.0).output().unwrap();
        assert!(ran.status.success(), "openssl {words}: {}", String::from_utf8_lossy(&ran.stderr));
    }

    fn der(&self, name: &str) -> Vec<u8> {
        let bytes = std::fs::read(self.0.path().join(name)).unwrap();
        pem::certificates(&bytes).remove(0).unwrap().der
    }

    fn ca(&self) -> Vec<u8> {
        self.der("ca.crt")
    }

    /// A leaf for kubernetes-admin, signed with these options of `openssl x509 -req`.
    fn sign(&self, options: &str) -> Vec<u8> {
        self.openssl("genpkey -algorithm ed25519 -out leaf.key");
        let subject = "-subj /O=system:masters/CN=kubernetes-admin";
        self.openssl(&format!("req -new -key leaf.key {subject} -out leaf.csr"));
        self.openssl(&format!(
            "x509 -req -in leaf.csr -CA ca.crt -CAkey ca.key -days 9 {options} -out leaf.crt"
        ));
        self.der("leaf.crt")
    }
}

fn path() -> Arc<Path> {
    Path::new("/etc/kubernetes/pki/ca.crt").into()
}

fn read(leaf: &[u8], cas: &[Vec<u8>]) -> Certificate {
    let anchors = x509::anchors(&path(), true, cas);
    x509::read(leaf, false, Authority::Named(&path(), &anchors), &Issuers::default()).unwrap()
}

fn signer(leaf: &[u8], ca: &[u8]) -> Signer {
    read(leaf, &[ca.to_vec()]).signer
}

fn is_verified(signer: &Signer) -> bool {
    matches!(signer, Signer::Verified(_))
}

#[track_caller]
fn refused(signer: &Signer, what: &str) {
    assert!(matches!(signer, Signer::Refused(_)), "{what}: {signer:?}");
}

#[track_caller]
fn unchecked(signer: &Signer, name: &str) {
    let Signer::Unchecked { algorithm, .. } = signer else { panic!("{name}: {signer:?}") };
    assert_eq!(&**algorithm, name);
}

/// `der` with another OID, or other bytes, of the same length.
fn patched(der: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    let mut der = der.to_vec();
    let places: Vec<usize> =
        (0..=der.len() - old.len()).filter(|at| der[*at..].starts_with(old)).collect();
    assert!(!places.is_empty());
    for at in places {
        der[at..at + new.len()].copy_from_slice(new);
    }
    der
}

const SHA256_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];

fn one_bit_less(der: &[u8]) -> Vec<u8> {
    let mut der = der.to_vec();
    *der.last_mut().unwrap() ^= 1;
    der
}

/// Good, damaged, about something else, and of another CA with the same name and key id.
fn try_all(key: &str, cases: &[(&str, Expected)]) {
    let (ca, other) = (Ca::new(key), Ca::new(key));
    for (options, expected) in cases {
        let what = format!("{key} {options}");
        let leaf = ca.sign(options);
        let signer_of = |leaf: &[u8], ca: &Ca| signer(leaf, &ca.ca());
        let other_subject = patched(&leaf, b"kubernetes-admin", b"kubernetes-Admin");
        let forged = [one_bit_less(&leaf), other_subject];
        match expected {
            Verified => {
                let signer = signer_of(&leaf, &ca);
                assert!(is_verified(&signer), "{what}: {signer:?}");
                forged.iter().for_each(|leaf| refused(&signer_of(leaf, &ca), &what));
                refused(&signer_of(&leaf, &other), &what);
            }
            Unchecked(name) => {
                unchecked(&signer_of(&leaf, &ca), name);
                forged.iter().for_each(|leaf| unchecked(&signer_of(leaf, &ca), name));
            }
        }
    }
}

#[test]
fn rsa_signatures_are_verified() {
    try_all(
        "RSA -pkeyopt rsa_keygen_bits:2048",
        &[
            ("-sha1", Verified),
            ("-sha224", Verified),
            ("-sha256", Verified),
            ("-sha384", Verified),
            ("-sha512", Verified),
            ("-md5", Unchecked("md5WithRSAEncryption")),
            ("-sha512-256", Unchecked("sha512-256WithRSAEncryption")),
            ("-sha3-256", Unchecked("RSA-SHA3-256")),
            ("-sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32", Verified),
            ("-sha384 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:48", Verified),
            ("-sha512 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:64", Verified),
            ("-sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:0", Verified),
            ("-sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:20", Verified),
            ("-sha512 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:190", Verified),
            ("-sha224 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:28", Verified),
            (
                "-sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 -sigopt rsa_mgf1_md:sha1",
                Unchecked("rsassaPss with SHA-256, a mask by SHA-1, a salt of 32 bytes"),
            ),
            (
                "-sha1 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:20",
                Unchecked("rsassaPss with SHA-1, a mask by SHA-1, a salt of 20 bytes"),
            ),
        ],
    );
}

#[test]
fn rsa_keys_of_all_usual_sizes_are_verified() {
    let pss = "-sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32";
    let cases =
        || [("-sha224", Verified), ("-sha256", Verified), ("-sha384", Verified), (pss, Verified)];
    for bits in ["1024", "1025", "1536", "2047"] {
        try_all(&format!("RSA -pkeyopt rsa_keygen_bits:{bits}"), &cases());
    }
    let small = Unchecked("sha256WithRSAEncryption with a key of 768 bits");
    try_all("RSA -pkeyopt rsa_keygen_bits:768", &[("-sha256", small)]);
}

#[test]
fn a_key_for_pss_alone_says_what_it_is_for() {
    let salt =
        |bytes| format!("-sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:{bytes}");
    try_all(
        "RSA-PSS -pkeyopt rsa_keygen_bits:2048",
        &[(&salt(32), Verified), (&salt(20), Verified)],
    );
}

#[test]
fn ecdsa_signatures_are_verified() {
    let cases = [
        ("-sha224", Verified),
        ("-sha256", Verified),
        ("-sha384", Verified),
        ("-sha512", Verified),
        ("-sha1", Unchecked("ecdsa-with-SHA1")),
        ("-sha3-256", Unchecked("ecdsa_with_SHA3-256")),
    ];
    try_all("EC -pkeyopt ec_paramgen_curve:P-256", &cases);
    try_all("EC -pkeyopt ec_paramgen_curve:P-384", &cases);
    try_all("EC -pkeyopt ec_paramgen_curve:P-521", &cases);
    let name = "ecdsa-with-SHA256 with a key on curve 1.3.132.0.10";
    try_all("EC -pkeyopt ec_paramgen_curve:secp256k1", &[("-sha256", Unchecked(name))]);
}

#[test]
fn signatures_of_edwards_curves_are_verified_where_they_can_be() {
    try_all("ED25519", &[("", Verified)]);
    try_all("ED448", &[("", Unchecked("ED448"))]);
}

/// The attack: a CA of the same name and key id signs with what the program does not know.
#[test]
fn another_ca_of_the_same_name_is_never_taken_for_the_real_one() {
    let [real, theirs] = [(), ()].map(|()| Ca::new("RSA -pkeyopt rsa_keygen_bits:2048"));
    for digest in ["-sha224", "-sha256", "-md5", "-sha512-256", "-sha3-256"] {
        let found = signer(&theirs.sign(digest), &real.ca());
        assert!(!is_verified(&found), "{digest}: {found:?}");
    }
    refused(&signer(&theirs.sign("-sha224"), &real.ca()), "the attack");
    let leaf = theirs.sign("-sha256");
    let invented = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 99];
    let leaf = patched(&leaf, SHA256_WITH_RSA, &invented);
    unchecked(&signer(&leaf, &real.ca()), "1.2.840.113549.1.1.99");
}

/// Both places name the algorithm, and only one of them is signed.
#[test]
fn two_names_of_algorithms_are_refused() {
    let ca = Ca::new("RSA -pkeyopt rsa_keygen_bits:2048");
    let leaf = ca.sign("-sha256");
    let at = leaf.windows(9).rposition(|it| it == SHA256_WITH_RSA).unwrap();
    let mut outer = leaf.clone();
    outer[at + 8] = 99;
    refused(&signer(&outer, &ca.ca()), "another name outside");
    outer[at + 8] = 12;
    refused(&signer(&outer, &ca.ca()), "SHA-384 outside");
}

#[test]
fn a_key_of_another_type_has_signed_nothing() {
    let keys = ["RSA", "EC -pkeyopt ec_paramgen_curve:P-256", "ED25519", "ED448"].map(Ca::new);
    for signing in &keys {
        let leaf = signing.sign("");
        for other in keys.iter().filter(|other| other.0.path() != signing.0.path()) {
            refused(&signer(&leaf, &other.ca()), "another type");
        }
    }
}

/// A chain that Go made: openssl is too old for it.
#[test]
fn ml_dsa_is_named_and_its_end_is_known() {
    let chain = pem::certificates(include_bytes!("certificates/ml-dsa.pem"));
    let [ca, leaf] = chain.try_into().unwrap();
    let (ca, leaf) = (ca.unwrap().der, leaf.unwrap().der);
    let certificate = read(&leaf, slice::from_ref(&ca));
    unchecked(&certificate.signer, "ML-DSA-65");
    unchecked(&read(&one_bit_less(&leaf), &[ca]).signer, "ML-DSA-65");
    assert_eq!(certificate.subject.to_string(), "CN = kube-apiserver");
    assert_eq!(certificate.not_after - certificate.not_before, Span::days(365));
}

#[test]
fn each_set_of_ml_dsa_has_its_name() {
    let ca = Ca::new("RSA -pkeyopt rsa_keygen_bits:2048");
    for (last, name) in [(17, "ML-DSA-44"), (18, "ML-DSA-65"), (19, "ML-DSA-87")] {
        let oid = [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, last];
        let leaf = patched(&ca.sign("-sha256"), SHA256_WITH_RSA, &oid);
        let own = patched(&patched(&ca.ca(), SHA256_WITH_RSA, &oid), RSA, &oid);
        unchecked(&signer(&leaf, &own), name);
        refused(&signer(&leaf, &ca.ca()), "an RSA key makes no such signature");
    }
}

/// A modulus or an exponent of a million bits must cost nothing. They are compared by work, not by
/// time: a key that is too large is not used at all.
#[test]
fn numbers_of_strangers_are_bounded() {
    let length = |bytes: usize| match bytes {
        0..=127 => vec![u8::try_from(bytes).unwrap()],
        _ => {
            let mut digits = bytes.to_be_bytes()[5..].to_vec();
            digits.insert(0, 0x83);
            digits
        }
    };
    let tlv = |tag: u8, value: &[u8]| [&[tag][..], &length(value.len()), value].concat();
    let key = |modulus: usize, exponent: &[u8]| {
        let modulus = [&[0][..], &vec![0xff; modulus]].concat();
        let pair = tlv(0x30, &[tlv(2, &modulus), tlv(2, exponent)].concat());
        let algorithm = tlv(0x30, &[tlv(6, RSA), vec![5, 0]].concat());
        tlv(0x30, &[algorithm, tlv(3, &[vec![0], pair].concat())].concat())
    };
    let ca = Ca::new("RSA -pkeyopt rsa_keygen_bits:2048");
    let leaf = ca.sign("-sha256");
    let with_key = |spki: &[u8]| {
        let der = ca.ca();
        // The old key stands behind the subject; name and dates are all that is kept.
        let at =
            der.windows(13).position(|it| it[..2] == [0x30, 13] && it[4..13] == *RSA).unwrap() - 4;
        let body = &der[8..at];
        let tbs = tlv(0x30, &[body, spki].concat());
        tlv(
            0x30,
            &[tbs, tlv(0x30, &[tlv(6, SHA256_WITH_RSA), vec![5, 0]].concat()), tlv(3, &[0, 0])]
                .concat(),
        )
    };
    let sha = "sha256WithRSAEncryption with";
    unchecked(
        &signer(&leaf, &with_key(&key(125_000, &[1, 0, 1]))),
        &format!("{sha} a key of 1000000 bits"),
    );
    unchecked(
        &signer(&leaf, &with_key(&key(256, &vec![0x7f; 125_000]))),
        &format!("{sha} a long public exponent"),
    );
    for exponent in [&[1][..], &[0], &[2], &[0xff], &[0x40, 0]] {
        refused(&signer(&leaf, &with_key(&key(256, exponent))), "no exponent of a key");
    }
    refused(&signer(&leaf, &with_key(&key(256, &[1, 0, 1]))), "a number that is no key");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever the bytes are, another key has not signed them.
    #[test]
    fn a_wrong_key_never_verifies(
        pair in 0..FOREIGN.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
    ) {
        let (leaf, ca) = &foreign()[pair];
        let mut leaf = leaf.clone();
        for (at, byte) in changes {
            let at = at.index(leaf.len());
            leaf[at] = byte;
        }
        let anchors = x509::anchors(&path(), true, std::slice::from_ref(ca));
        let authority = Authority::Named(&path(), &anchors);
        if let Ok(certificate) = x509::read(&leaf, false, authority, &Issuers::default()) {
            prop_assert!(!is_verified(&certificate.signer));
        }
    }
}

/// How another CA of the same name and key type has signed.
const FOREIGN: [(&str, &str); 6] = [
    ("RSA -pkeyopt rsa_keygen_bits:2048", "-sha256"),
    ("RSA -pkeyopt rsa_keygen_bits:2048", "-sha224"),
    (
        "RSA -pkeyopt rsa_keygen_bits:2048",
        "-sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:0",
    ),
    ("EC -pkeyopt ec_paramgen_curve:P-256", "-sha512"),
    ("EC -pkeyopt ec_paramgen_curve:P-521", "-sha256"),
    ("ED25519", ""),
];

/// A leaf of one CA, and the certificate of the other.
fn foreign() -> &'static [(Vec<u8>, Vec<u8>)] {
    static MADE: OnceLock<Vec<(Vec<u8>, Vec<u8>)>> = OnceLock::new();
    MADE.get_or_init(|| {
        let made = FOREIGN.map(|(key, options)| (Ca::new(key).sign(options), Ca::new(key).ca()));
        made.into()
    })
}

/// Several CAs of one name: the one that is verified wins, in any order.
#[test]
fn a_verified_ca_wins_over_one_that_cannot_be_checked() {
    let real = Ca::new("RSA -pkeyopt rsa_keygen_bits:2048");
    let strange = Ca::new("RSA -pkeyopt rsa_keygen_bits:512");
    let leaf = real.sign("-sha256");
    for cas in [[real.ca(), strange.ca()], [strange.ca(), real.ca()]] {
        let certificate = read(&leaf, &cas);
        assert!(is_verified(&certificate.signer), "{:?}", certificate.signer);
    }
    unchecked(&signer(&leaf, &strange.ca()), "sha256WithRSAEncryption with a key of 512 bits");
    let certificate = read(&leaf, &[strange.ca(), Ca::new("RSA").ca()]);
    assert!(matches!(certificate.signer, Signer::Unchecked { .. }), "{:?}", certificate.signer);
}

/// A chain is as good as its weakest link.
#[test]
fn one_unchecked_link_makes_the_chain_unchecked() {
    let root = Ca::new("RSA -pkeyopt rsa_keygen_bits:2048");
    let below = |options: &str| {
        let below = Ca(TempDir::new().unwrap());
        let at = |ca: &Ca, name: &str| ca.0.path().join(name).display().to_string();
        below.openssl("genpkey -algorithm ed25519 -out ca.key");
        let extensions = "-addext basicConstraints=critical,CA:TRUE";
        below.openssl(&format!("req -new -key ca.key -subj /CN=below {extensions} -out ca.csr"));
        let (ca, key) = (at(&root, "ca.crt"), at(&root, "ca.key"));
        below.openssl(&format!(
            "x509 -req -in ca.csr -copy_extensions copyall -CA {ca} -CAkey {key} -days 5 {options} -out ca.crt"
        ));
        below
    };
    let check = |below: &Ca| {
        let leaf = below.sign("");
        let anchors = x509::anchors(&path(), true, &[root.ca()]);
        let behind = below.ca();
        let anchors = x509::with_intermediates(&anchors, [&*behind].into_iter());
        let authority = Authority::Named(&path(), &anchors);
        x509::read(&leaf, false, authority, &Issuers::default()).unwrap().signer
    };
    let whole = check(&below("-sha256"));
    assert!(is_verified(&whole), "{whole:?}");
    let broken = check(&below("-md5"));
    unchecked(&broken, "md5WithRSAEncryption");
    // Where the CA file itself has the one below, the file is the reason to trust it.
    let intermediate = below("-md5");
    let named = read(&intermediate.sign(""), &[intermediate.ca(), root.ca()]);
    assert!(is_verified(&named.signer), "{:?}", named.signer);
    // To warn, every end counts: the one below ends before its leaf and its root.
    let Signer::Unchecked { ca, .. } = &broken else { panic!("{broken:?}") };
    assert!(ca.not_after < read(&root.ca(), &[]).not_after, "{broken:?}");
    assert_eq!(broken.not_after(), Some(ca.not_after));
}

/// As Go does, and with it the API server.
#[test]
fn what_a_certificate_is_for() {
    use ClientAuth::{Allowed, Excluded, Unreadable};
    let ca = Ca::new("ed25519");
    let client = "extendedKeyUsage=clientAuth";
    let server = "extendedKeyUsage=critical,serverAuth";
    for (extension, expected) in [
        ("keyUsage=digitalSignature", Allowed),
        (client, Allowed),
        ("extendedKeyUsage=serverAuth,clientAuth", Allowed),
        ("extendedKeyUsage=anyExtendedKeyUsage", Allowed),
        (server, Excluded),
        ("extendedKeyUsage=1.2.3.4", Excluded),
        ("2.5.29.37=DER:0500", Unreadable),
    ] {
        std::fs::write(ca.0.path().join("v3"), extension).unwrap();
        let der = ca.sign("-extfile v3");
        let read = x509::read(&der, false, Authority::Beside(&[]), &Issuers::default()).unwrap();
        assert_eq!(read.client_auth, expected, "{extension}");
    }
}
