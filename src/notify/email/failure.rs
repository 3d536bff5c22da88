//! What went wrong with a mail, in one line, and whether trying again can help.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lettre::transport::smtp;
use rustls::CertificateError;

use super::Failure;
use crate::config::channels::{EmailConfig, Secret, Security};
use crate::domain::text::escape_control;
use crate::domain::time::Span;
use crate::notify::tls;

/// How far an attempt has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum SmtpPhase {
    Lookup,
    Connect,
    Tls,
    Greeting,
    Login,
    Sender,
    Recipient,
    Data,
    Content,
}

/// What ended an attempt.
pub(super) enum SmtpError {
    LoginInClear,
    NoLogin,
    NoServerName,
    NoStartTls,
    TimedOut,
    Io(io::Error),
    Smtp(smtp::Error),
}

impl From<io::Error> for SmtpError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<smtp::Error> for SmtpError {
    fn from(error: smtp::Error) -> Self {
        Self::Smtp(error)
    }
}

/// The server, how far it has come with it, and what must not be told.
pub(super) struct Site<'a> {
    pub(super) step: SmtpPhase,
    settings: &'a EmailConfig,
    to: &'a str,
    bound: Duration,
    /// There is one for HTTP, which mail does not go through.
    pub(super) has_proxy: bool,
    secrets: Vec<String>,
}

impl<'a> Site<'a> {
    pub(super) fn new(settings: &'a EmailConfig, to: &'a str, bound: Duration) -> Self {
        Self { step: SmtpPhase::Lookup, settings, to, bound, has_proxy: false, secrets: Vec::new() }
    }

    /// A server may say back what it was told.
    pub(super) fn conceal(&mut self, user: &str, password: &str) {
        let plain = format!("\0{user}\0{password}");
        self.secrets = vec![STANDARD.encode(plain), STANDARD.encode(password), password.to_owned()];
    }

    pub(super) fn explain(&self, error: SmtpError) -> Failure {
        match error {
            SmtpError::LoginInClear => self.permanent(
                "would get the password in clear text: set email.security to \"starttls\" or \"tls\"",
            ),
            SmtpError::NoLogin => self.permanent(
                "does not offer PLAIN or LOGIN authentication here: try its submission port, or leave out email.user",
            ),
            SmtpError::NoServerName => {
                self.permanent("is not a valid server name: correct email.server")
            }
            SmtpError::NoStartTls => self.permanent(
                "does not offer STARTTLS, so nothing was sent: if it speaks TLS from the first byte, as on \
                 port 465, set email.security to \"tls\"; if it should offer it, somebody may be intercepting \
                 the connection",
            ),
            SmtpError::TimedOut => self.timed_out(),
            SmtpError::Io(error) => self.of_io(&error),
            SmtpError::Smtp(error) => self.of_smtp(&error),
        }
    }

    fn of_smtp(&self, error: &smtp::Error) -> Failure {
        if let Some(code) = error.status() {
            let said = error.source().map(ToString::to_string).unwrap_or_default();
            return self.refused(u16::from(code), error.is_permanent(), &said);
        }
        if let Some(error) = io_error(error) {
            return self.of_io(error);
        }
        // lettre's words for an end of the stream; its other ones may quote the server.
        match error.to_string().ends_with("incomplete response") {
            true => self.transient(&format!("closed the connection {}", self.moment())),
            false => self.transient(&format!(
                "answered {} with something other than SMTP: is email.port right?",
                self.moment()
            )),
        }
    }

    /// The server has answered, and it is no.
    fn refused(&self, code: u16, is_permanent: bool, said: &str) -> Failure {
        let hint = if is_permanent { self.hint(code, said) } else { String::new() };
        let said = escape_control(&self.concealed(said)).into_owned();
        let did = match (self.step, is_permanent) {
            (_, false) => format!("deferred {}", self.object()),
            (_, true) => format!("rejected {}", self.object()),
        };
        let reason = format!("{did}: {code} {said}{hint}");
        if is_permanent { self.permanent(&reason) } else { self.transient(&reason) }
    }

    /// What a person can do about a refusal for good.
    fn hint(&self, code: u16, said: &str) -> String {
        let said = said.to_lowercase();
        let hint = match self.step {
            SmtpPhase::Login => &format!("is the password in {} right?", self.secret()),
            _ if code == 530 && said.contains("starttls") => "set email.security to \"starttls\"",
            _ if code == 530 || said.contains("authentication required") => {
                "it requires authentication: set email.user"
            }
            SmtpPhase::Recipient if said.contains("relay") => {
                "it relays mail only after authentication, or from hosts that it knows"
            }
            SmtpPhase::Sender => "email.from must be an address that this node may use",
            SmtpPhase::Recipient => "is email.to right?",
            _ => return String::new(),
        };
        format!("; {hint}")
    }

    fn of_io(&self, error: &io::Error) -> Failure {
        if let Some(error) = tls_error(error) {
            return self.of_tls(error);
        }
        match error.kind() {
            _ if self.step == SmtpPhase::Lookup => {
                self.transient("cannot be resolved: is email.server right, and does DNS work here?")
            }
            io::ErrorKind::ConnectionRefused => self
                .transient("refuses connections: is email.port right, and is the server running?"),
            io::ErrorKind::TimedOut => {
                self.transient("cannot be reached, timed out: is a firewall in between?")
            }
            io::ErrorKind::FileTooLarge => {
                self.transient(&format!("sent an overlong response {}", self.moment()))
            }
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe => {
                self.transient(&format!("closed the connection {}", self.moment()))
            }
            kind => self.transient(&format!("cannot be reached: {kind}")),
        }
    }

    fn of_tls(&self, error: &rustls::Error) -> Failure {
        match error {
            // A renewal there, or a clock put right here, ends it without a word to us.
            rustls::Error::InvalidCertificate(error) if tls::is_about_time(error) => {
                self.transient(&distrust(error))
            }
            rustls::Error::InvalidCertificate(error) => self.permanent(&distrust(error)),
            rustls::Error::InvalidMessage(_) => self.transient(
                "answers TLS with something else: if it has STARTTLS, as on port 587, set \
                 email.security to \"starttls\"",
            ),
            _ => self.transient(&format!("TLS failed: {}", escape_control(&error.to_string()))),
        }
    }

    fn timed_out(&self) -> Failure {
        let bound = Span::seconds(i64::try_from(self.bound.as_secs()).unwrap_or(i64::MAX));
        let what = match self.step {
            SmtpPhase::Lookup => "its name was not resolved",
            SmtpPhase::Connect => "it did not accept the connection: is a firewall in between?",
            SmtpPhase::Tls => "it did not finish the TLS handshake",
            SmtpPhase::Greeting if self.settings.security != Security::Tls => {
                "it did not greet; if it waits for TLS, as on port 465, set email.security to \"tls\""
            }
            SmtpPhase::Greeting => "it did not greet",
            SmtpPhase::Login => "it did not respond to the login",
            SmtpPhase::Sender | SmtpPhase::Recipient | SmtpPhase::Data => "it did not respond",
            // The next attempt has the same Message-ID, by which servers and clients know it.
            SmtpPhase::Content => "it did not confirm the mail, which may arrive twice",
        };
        self.transient(&format!("took longer than {bound}: {what}"))
    }

    /// What the server was asked for.
    fn object(&self) -> String {
        match self.step {
            SmtpPhase::Lookup | SmtpPhase::Connect | SmtpPhase::Greeting => {
                "the connection".to_owned()
            }
            SmtpPhase::Tls => "STARTTLS".to_owned(),
            SmtpPhase::Login => {
                let user = self.settings.login.as_ref().map_or("", |login| &login.user);
                format!("the login of {}", escape_control(user))
            }
            SmtpPhase::Sender => format!("the sender {}", escape_control(&self.settings.from)),
            SmtpPhase::Recipient => format!("the recipient {}", escape_control(self.to)),
            SmtpPhase::Data | SmtpPhase::Content => "the mail".to_owned(),
        }
    }

    /// When it happened, after a verb.
    fn moment(&self) -> &'static str {
        match self.step {
            SmtpPhase::Lookup | SmtpPhase::Connect | SmtpPhase::Greeting => "at the greeting",
            SmtpPhase::Tls => "at the start of TLS",
            SmtpPhase::Login => "at the login",
            SmtpPhase::Sender => "at the sender's address",
            SmtpPhase::Recipient => "at the recipient's address",
            SmtpPhase::Data => "before the mail",
            SmtpPhase::Content => "at the end of the mail",
        }
    }

    fn secret(&self) -> String {
        match self.settings.login.as_ref().map(|login| &login.password) {
            Some(Secret::Credential(name)) => format!("the credential {}", escape_control(name)),
            Some(Secret::File(path)) => escape_control(&path.to_string_lossy()).into_owned(),
            None => String::new(),
        }
    }

    fn concealed(&self, said: &str) -> String {
        let hide = |said: String, secret: &String| said.replace(secret.as_str(), "***");
        self.secrets.iter().fold(said.to_owned(), hide)
    }

    fn transient(&self, what: &str) -> Failure {
        let is_unreached = matches!(self.step, SmtpPhase::Lookup | SmtpPhase::Connect);
        let hint = match self.has_proxy && is_unreached {
            true => {
                "; mail does not go through the proxy, which is for HTTP: use a mail server that this node reaches"
            }
            false => "",
        };
        Failure::transient(self.sentence(what) + hint)
    }

    fn permanent(&self, what: &str) -> Failure {
        Failure::permanent(self.sentence(what))
    }

    fn sentence(&self, what: &str) -> String {
        format!("{}:{} {what}", escape_control(&self.settings.server), self.settings.port)
    }
}

/// Why a certificate is not trusted, and what to do.
fn distrust(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => {
            "has a certificate from an unknown CA: if it is your own, set alerts.ca-file"
                .to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!(
                "has a certificate for another name{}: set email.server to the name in it",
                presented(error)
            )
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "has a certificate that has expired: renew it there, if this node's clock is right"
                .to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "has a certificate that is not valid yet: is this node's clock right?".to_owned()
        }
        // webpki's own error, which rustls has no word for.
        _ if format!("{error:?}").contains("CaUsedAsEndEntity") => {
            "has a CA's certificate (CA:TRUE, as self-signed ones are made) for its own, which cannot \
             be trusted as a server's: give it one with CA:FALSE, and put that, or the CA it is \
             signed by, into alerts.ca-file"
                .to_owned()
        }
        _ => format!("has a certificate that is not accepted: {}", escape_control(&error.to_string())),
    }
}

/// The first names of the certificate: `, DNS:a.example.org`.
fn presented(error: &CertificateError) -> String {
    let CertificateError::NotValidForNameContext { presented, .. } = error else {
        return String::new();
    };
    presented.iter().take(3).map(|name| format!(", {}", escape_control(name))).collect()
}

/// The input or output error below one of lettre's.
fn io_error(error: &smtp::Error) -> Option<&io::Error> {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref() {
            return Some(error);
        }
        source = error.source();
    }
    None
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}
