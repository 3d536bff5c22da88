//! How the kubelet comes by its own certificates: by its flags, and where those are silent by its configuration.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::kubeconfig::{self, PemSource};
use super::manifest::StaticPod;
use super::yaml;
use crate::domain::layout::{KUBELET_CURRENT, KUBELET_PKI, KUBERNETES, lexical};
use crate::domain::model::KubeletSettings;
use crate::domain::role::KUBELET_CONF;

/// What the kubelet of a node is started with.
#[derive(Debug)]
pub(crate) struct KubeletSources {
    /// Its flags, which have the last word.
    pub flags: StaticPod,
    /// Its configuration, and what is laid over it, in that order; `None` if something of it cannot be read.
    pub configs: Option<Vec<Vec<u8>>>,
}

impl Default for KubeletSources {
    fn default() -> Self {
        Self { flags: StaticPod::of_process(Vec::new()), configs: None }
    }
}

/// Each field as a file may leave it to another one.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CertificateFields {
    tls_cert_file: Option<String>,
    tls_private_key_file: Option<String>,
    rotate_certificates: Option<bool>,
    #[serde(rename = "serverTLSBootstrap")]
    server_tls_bootstrap: Option<bool>,
}

impl CertificateFields {
    fn under(self, over: Self) -> Self {
        Self {
            tls_cert_file: over.tls_cert_file.or(self.tls_cert_file),
            tls_private_key_file: over.tls_private_key_file.or(self.tls_private_key_file),
            rotate_certificates: over.rotate_certificates.or(self.rotate_certificates),
            server_tls_bootstrap: over.server_tls_bootstrap.or(self.server_tls_bootstrap),
        }
    }

    /// A flag that is given counts, also one that is empty.
    fn of_flags(flags: &StaticPod) -> Self {
        let text = |name| flags.flag(name).map(str::to_owned);
        let switch = |name| flags.flag(name).and_then(switch);
        Self {
            tls_cert_file: text("tls-cert-file"),
            tls_private_key_file: text("tls-private-key-file"),
            rotate_certificates: switch("rotate-certificates"),
            server_tls_bootstrap: switch("rotate-server-certificates"),
        }
    }

    fn is_given_a_pair(&self) -> bool {
        let files = [&self.tls_cert_file, &self.tls_private_key_file];
        files.into_iter().flatten().any(|file| !file.is_empty())
    }
}

/// As Go's `strconv.ParseBool` reads it.
fn switch(value: &str) -> Option<bool> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// What they say together. `conf` is kubelet.conf, where it can be read. The defaults are the kubelet's: kubeadm turns the
/// rotation on.
pub(crate) fn settings(sources: &KubeletSources, conf: Option<&[u8]>) -> KubeletSettings {
    let flags = CertificateFields::of_flags(&sources.flags);
    let configured = sources.configs.as_ref().and_then(|configs| {
        configs.iter().try_fold(CertificateFields::default(), |under, config| {
            Some(under.under(yaml::read(config).ok()?))
        })
    });
    let is_known = configured.is_some();
    let fields = configured.unwrap_or_default().under(flags);
    let requests = fields.server_tls_bootstrap.unwrap_or_default();
    let has_own_dir = is(&sources.flags, "cert-dir", Path::new(KUBELET_PKI));
    KubeletSettings {
        rotates: fields.rotate_certificates.or(is_known.then_some(false)),
        makes_serving: is_known && has_own_dir && !fields.is_given_a_pair() && !requests,
        is_elsewhere: !has_own_dir
            || !is(&sources.flags, "kubeconfig", &conf_path())
            || conf.is_some_and(names_another),
    }
}

fn conf_path() -> PathBuf {
    Path::new(KUBERNETES).join(KUBELET_CONF.id)
}

/// True unless the flag names another path.
fn is(flags: &StaticPod, flag: &str, usual: &Path) -> bool {
    flags.flag(flag).is_none_or(|path| path.is_empty() || lexical(Path::new(path)) == usual)
}

/// True if a kubelet.conf names a file that the kubelet does not rotate. By its name: the directory may have another one,
/// behind a link.
fn names_another(conf: &[u8]) -> bool {
    let Ok(config) = kubeconfig::read(conf) else { return false };
    config.users.first().is_some_and(|user| match &user.certificate {
        PemSource::File(path) => !path.ends_with(KUBELET_CURRENT[0]),
        PemSource::Inline(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(flags: &str, configs: Option<&[&str]>) -> (Option<bool>, bool) {
        let KubeletSettings { rotates, makes_serving, .. } =
            settings(&sources(flags, configs), None);
        (rotates, makes_serving)
    }

    fn sources(flags: &str, configs: Option<&[&str]>) -> KubeletSources {
        let words = std::iter::once("kubelet").chain(flags.split_whitespace());
        KubeletSources {
            flags: StaticPod::of_process(words.map(str::to_owned).collect()),
            configs: configs.map(|it| it.iter().map(|it| it.as_bytes().to_vec()).collect()),
        }
    }

    #[test]
    fn the_configuration_says_who_renews() {
        let says = |config: &str| says("", Some(&[config]));
        assert_eq!(says("rotateCertificates: true\n"), (Some(true), true));
        assert_eq!(says("tlsCertFile: ''\n"), (Some(false), true), "the kubelet's own defaults");
        assert_eq!(says("serverTLSBootstrap: true\n"), (Some(false), false));
        assert_eq!(says("rotateCertificates: true\ntlsCertFile: /a\n"), (Some(true), false));
        assert_eq!(says("rotateCertificates: true\ntlsPrivateKeyFile: /a\n"), (Some(true), false));
        assert_eq!(says("]"), (None, false));
    }

    #[test]
    fn a_flag_has_the_last_word() {
        let config = "rotateCertificates: true\n";
        let says = |flags| says(flags, Some(&[config]));
        for off in ["--rotate-certificates=false", "--rotate-certificates=F -v=2"] {
            assert_eq!(says(off), (Some(false), true), "{off}");
        }
        for on in ["--rotate-certificates", "--rotate-certificates=true", "--rotate-certificates=x"]
        {
            assert_eq!(says(on), (Some(true), true), "{on}");
        }
        for given in [
            "--tls-cert-file=/a --tls-private-key-file=/b",
            "--tls-cert-file /a",
            "--rotate-server-certificates",
            "--cert-dir=/var/lib/kubelet/certs",
        ] {
            assert_eq!(says(given), (Some(true), false), "{given}");
        }
        assert_eq!(says("--cert-dir=/var/lib/kubelet/pki/"), (Some(true), true));
    }

    #[test]
    fn an_empty_flag_takes_the_pair_away_that_the_configuration_gives() {
        let config = "tlsCertFile: /a\nserverTLSBootstrap: true\n";
        let flags = "--tls-cert-file= --rotate-server-certificates=false";
        assert_eq!(says(flags, Some(&[config])), (Some(false), true));
    }

    #[test]
    fn what_is_laid_over_the_configuration_counts_in_its_order() {
        let over =
            ["rotateCertificates: true\n", "tlsCertFile: /a\n", "rotateCertificates: false\n"];
        assert_eq!(says("", Some(&over)), (Some(false), false));
        assert_eq!(says("", Some(&["rotateCertificates: true\n", "]"])), (None, false));
    }

    #[test]
    fn what_cannot_be_read_is_unknown_but_for_the_flags() {
        assert_eq!(says("", None), (None, false));
        assert_eq!(says("--rotate-certificates=false", None), (Some(false), false));
    }

    #[test]
    fn a_certificate_in_another_place_is_told() {
        let is_elsewhere = |flags, conf: &str| {
            settings(&sources(flags, Some(&[])), Some(conf.as_bytes())).is_elsewhere
        };
        let conf = |path: &str| {
            format!(
                "users:\n- name: a\n  user: {{client-certificate: {path}, client-key: {path}}}\n"
            )
        };
        let usual = conf("/var/lib/kubelet/pki/kubelet-client-current.pem");
        assert!(!is_elsewhere("--kubeconfig=/etc/kubernetes/kubelet.conf", &usual));
        assert!(!is_elsewhere("", "users:\n- name: a\n  user: {client-certificate-data: QUJD}\n"));
        assert!(!is_elsewhere("", &conf("/data/kubelet/pki/kubelet-client-current.pem")));
        assert!(is_elsewhere("", &conf("/etc/kubernetes/pki/kubelet.crt")));
        assert!(is_elsewhere("", &conf("kubelet.pem")));
        assert!(is_elsewhere("--kubeconfig=/etc/kubelet.conf", &usual));
        assert!(is_elsewhere("--cert-dir=/data/pki", &usual));
        assert!(!is_elsewhere("--cert-dir=/var/lib/kubelet/pki --kubeconfig=", &usual));
    }
}
