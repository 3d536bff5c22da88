//! What each finding means, whatever node it is on: the text of `certwatch explain` and of docs/output.md.

use crate::domain::model::{ChainFault, Defect, FileFormat, Reason};
use crate::domain::policy::FindingKind;

/// What is wrong, why that matters, and how bad it is: sentences.
pub(super) fn meaning(kind: &FindingKind) -> &'static str {
    match kind {
        FindingKind::Chain(fault) => of_chain(fault),
        FindingKind::Expired(_) => EXPIRED,
        FindingKind::Expires { .. } => EXPIRES,
        FindingKind::ForeignCa(_) => FOREIGN_CA,
        FindingKind::LeftOver(_) => LEFT_OVER,
        FindingKind::NameMissing(_) => NAME_MISSING,
        FindingKind::NotCompared(_) => NOT_COMPARED,
        FindingKind::NotYetValid(_) => NOT_YET_VALID,
        FindingKind::OutlivesCa { .. } => OUTLIVES_CA,
        FindingKind::Refused(defect) => of_defect(defect),
        FindingKind::Retired => RETIRED,
        FindingKind::RotationOverdue(_) => ROTATION_OVERDUE,
        FindingKind::ServesOther { .. } => SERVES_OTHER,
        FindingKind::SeveralCertificates(_) => SEVERAL_CERTIFICATES,
        FindingKind::StaleCa { .. } => STALE_CA,
        FindingKind::StaleCopy { .. } => STALE_COPY,
        FindingKind::StaleUse { .. } => STALE_USE,
        FindingKind::SignatureUnchecked { .. } => SIGNATURE_UNCHECKED,
        FindingKind::Unusable(reason) => of_reason(reason),
        FindingKind::WrongSigner(_) => WRONG_SIGNER,
    }
}

const EXPIRED: &str = "\
    The last second of the certificate, or that of the CA that signed it, has passed: whoever \
    verifies it rejects it. Critical.";
const EXPIRES: &str = "\
    The certificate, or the CA that signed it, expires within the thresholds of the configuration: \
    a warning, and critical close to the end.";
const FOREIGN_CA: &str = "\
    A kubeconfig trusts another CA than the one of this cluster, so its user cannot verify the API \
    server.";
const LEFT_OVER: &str = "\
    A certificate among those of the control plane has expired or is about to, and no component \
    names its file: nothing stops. A warning at most.";
const NAME_MISSING: &str = "\
    A serving certificate lacks a name or address by which this node reaches the server, so clients \
    that use that name reject it. Critical if a component or kubeconfig of this node uses it.";
const NOT_COMPARED: &str = "\
    The file that an endpoint should serve was not read, so it is not known whether the endpoint \
    serves it.";
const NOT_YET_VALID: &str = "\
    The validity of the certificate has not begun. Most often the clock is wrong, here or where it \
    was signed.";
const OUTLIVES_CA: &str = "\
    The validity of the certificate ends later than that of its CA, which is what counts. kubeadm \
    signs such certificates without a message.";
const RETIRED: &str = "\
    A CA that is about to expire is beside another one in its file, and has signed nothing on this \
    node: it is left over from a rotation. A warning.";
const ROTATION_OVERDUE: &str = "\
    The kubelet rotates its certificate at 70 to 90 % of its life, and has not done so. If that \
    goes on, the node goes NotReady when the certificate expires.";
const SERVES_OTHER: &str = "\
    An endpoint serves another certificate than that of its `file`, and the file is not newer: \
    most often the setting names the wrong file.";
const SEVERAL_CERTIFICATES: &str = "\
    The file of the CA that kube-controller-manager signs with holds more than one certificate: it \
    fails at its next start. Critical.";
const STALE_CA: &str = "\
    A kubeconfig holds an expiring copy of a CA that has been signed again with the same key: only \
    the copy has to be replaced.";
const STALE_COPY: &str = "\
    A kubeconfig is an older copy of admin.conf, which has been renewed since: it goes on working \
    until its own certificate expires, and then does not.";
const STALE_USE: &str = "\
    A running component still uses an older certificate than the one in the file, and stops \
    working when the older one expires. The most common cause is `kubeadm certs renew` without a \
    restart. The severity is that of the certificate in use.";
const SIGNATURE_UNCHECKED: &str = "\
    There is a CA with the name of the issuer, but certwatch does not support the algorithm of the \
    signature, or not with this key. Unknown for what the control plane uses, a warning elsewhere.";
const WRONG_SIGNER: &str = "\
    The certificate is not signed by the CA that must have signed it: whoever trusts only that CA \
    rejects it.";

fn of_chain(fault: &ChainFault) -> &'static str {
    match fault {
        ChainFault::NameConstraints | ChainFault::PathLength | ChainFault::Purpose => {
            "In the chain of an endpoint, a CA may not sign these names, so many CAs, or for servers."
        }
        ChainFault::NoIssuer(_) => {
            "An endpoint presents a certificate whose issuer is neither presented with it nor trusted. Browsers may have \
             the intermediate CA from elsewhere; other clients reject the certificate."
        }
        ChainFault::NotJudged(_) => {
            "Whether clients accept the chain of an endpoint depends on something that certwatch does not judge: policies, \
             constraints of mail addresses, or very many CAs of one name."
        }
        ChainFault::RejectedCa { .. } => {
            "In the chain of an endpoint there is a certificate that clients reject, or that may sign no other: it is no \
             CA, is damaged, or has a weak signature or key."
        }
        ChainFault::SelfSigned => {
            "An endpoint presents a certificate that has signed itself and is not trusted."
        }
        ChainFault::UnknownCa(_) => {
            "The chain of an endpoint ends at a CA that is neither one of the system's nor in its `ca-file`."
        }
    }
}

fn of_defect(defect: &Defect) -> &'static str {
    match defect {
        Defect::DuplicateExtension(_) => {
            "The certificate has the same extension twice, so Kubernetes does not parse it."
        }
        Defect::Malformed(_) => {
            "The certificate has something in it that Kubernetes does not parse, though other programs do."
        }
        Defect::NegativeSerial => {
            "The serial number is negative, which Kubernetes 1.32 and later reject."
        }
        Defect::NoNames => {
            "A serving certificate has no subject alternative names. The common name does not count, so every client \
             rejects it."
        }
        Defect::NotForClients | Defect::NotForServers => {
            "The extended key usage excludes what the certificate is used for, as a client or as a server."
        }
        Defect::NotForSigning => {
            "A CA lacks CA:TRUE or the key usage keyCertSign: everything that it has signed is rejected."
        }
        Defect::Pem(_) => {
            "The certificate is in its file, but not in the form of PEM that Kubernetes reads, so Kubernetes does not find \
             it, though openssl does."
        }
        Defect::RsaKey(_) => {
            "The RSA key is shorter than 1024 bits, which Kubernetes 1.33 and later reject, or longer than 8192 bits, which \
             1.28 and later reject."
        }
        Defect::UnknownCriticalExtension(_) => {
            "An extension is marked critical and Kubernetes does not know it, so it rejects the certificate."
        }
        Defect::WeakSignature(_) => {
            "The signature is made with SHA-1, which Kubernetes 1.24 and later reject, or with MD5 or MD2, which every version \
             rejects."
        }
    }
}

fn of_reason(reason: &Reason) -> &'static str {
    match reason {
        Reason::BadBase64 => "The data in a kubeconfig is not base64.",
        Reason::BadCertificate(_) => BAD_CERTIFICATE,
        Reason::BadKubeconfig(_) => BAD_KUBECONFIG,
        Reason::RefusedKubeconfig(_) => REFUSED_KUBECONFIG,
        Reason::BadPem(_) | Reason::JoinedPem(_) => BAD_PEM,
        Reason::BrokenLink => "A symbolic link points at nothing.",
        Reason::Changed => "The file changed during each of several attempts to read it.",
        Reason::Empty => "The file is empty. kubeadm leaves such a file when the disk was full.",
        Reason::EndpointNotAsked(_) | Reason::NotAsked { .. } => NOT_ASKED,
        Reason::EndpointSilent(_) | Reason::NotAnswering { .. } => NOT_ANSWERING,
        Reason::InContainerOnly => IN_CONTAINER_ONLY,
        Reason::LinkLoop => "Symbolic links lead back to themselves.",
        Reason::Missing => MISSING,
        Reason::NoCertificate => "The file is named like a certificate, but contains none.",
        Reason::NotAFile(_) => NOT_A_FILE,
        Reason::NotALink => NOT_A_LINK,
        Reason::NotRead { format, .. } => of_format(*format),
        Reason::NotRunning(_) => NOT_RUNNING,
        Reason::OutOfTime(_) => "`scan.timeout` was over before it was the turn of this file.",
        Reason::PermissionDenied => "This user may not read the file.",
        Reason::ReadFailed(_) => READ_FAILED,
        Reason::TimedOut(_) | Reason::Hangs(_) | Reason::TooManyHang => TIMED_OUT,
        Reason::TooDeep(_) => "Directories are nested too deeply to be searched to the end.",
        Reason::TooLarge { .. } => "The file is larger than 1 MiB and was not read.",
        Reason::TooMany { .. } => TOO_MANY,
        Reason::UnknownOwner(_) => UNKNOWN_OWNER,
    }
}

const BAD_CERTIFICATE: &str = "A PEM block, or the file, is not the encoding of a certificate.";
const BAD_KUBECONFIG: &str =
    "The file is named like a kubeconfig, but is not one, or its YAML is invalid.";
const REFUSED_KUBECONFIG: &str = "\
    A kubeconfig that Kubernetes' own library refuses: a name that is there twice, a number where a string is due, \
    another kind or version, or a damaged key. Whoever reads it fails.";
const BAD_PEM: &str = "\
    A PEM block is cut off or damaged, or shares a line with the next one: no program reads it.";
const IN_CONTAINER_ONLY: &str = "\
    A component names a file that none of the volumes of its pod shows on the node, so certwatch \
    cannot see it.";
const MISSING: &str = "\
    A file that a component names, or that the files next to it need, is not there.";
const NOT_A_FILE: &str = "There is a directory, socket, pipe or device where a file should be.";
const NOT_A_LINK: &str = "\
    kubelet-client-current.pem is a regular file, and not the link that the kubelet made: the \
    kubelet cannot replace it, so it never rotates its certificate.";
const NOT_ANSWERING: &str = "\
    A component that should serve on this node presents no certificate: it is down, hangs, or \
    listens elsewhere.";
const NOT_ASKED: &str = "\
    certwatch could not connect to a component of this node, for example in a sandbox without \
    network, so it is unknown what that one uses.";
const NOT_RUNNING: &str = "\
    The manifest of a static pod is there, and no process of it runs on this node. If its log says \
    something about a certificate, the message quotes it.";
const READ_FAILED: &str = "\
    The operating system could not read the file; the message quotes its error.";
const TIMED_OUT: &str = "\
    The file could not be read in time, for example because a network file system is down. \
    certwatch skips the file until it responds, and judges everything else.";
const TOO_MANY: &str = "\
    There are more files than `scan.max-files`, or more than 1000 certificates in one file: the \
    rest was not judged.";
const UNKNOWN_OWNER: &str = "\
    A kube-apiserver runs here, and certwatch cannot tell whether it is the node's own or one of a \
    cluster in containers.";

fn of_format(format: FileFormat) -> &'static str {
    match format {
        FileFormat::Jceks | FileFormat::Jks | FileFormat::Pkcs12 => {
            "The file is a keystore, which a password protects, so certwatch does not read it. It may hold certificates."
        }
        FileFormat::Crl
        | FileFormat::Pgp
        | FileFormat::Pkcs7
        | FileFormat::Request
        | FileFormat::Utf16 => {
            "The file is something that certwatch recognizes and does not read: PKCS #7, a revocation list, a signing \
             request, PGP, or text in UTF-16."
        }
        FileFormat::EncryptedKey
        | FileFormat::Parameters
        | FileFormat::PrivateKey
        | FileFormat::PublicKey
        | FileFormat::SshKey => of_reason(&Reason::NoCertificate),
    }
}
