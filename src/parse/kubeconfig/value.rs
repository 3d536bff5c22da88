//! The values of a kubeconfig's fields, with the types that client-go wants them to have.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};

use crate::domain::model::Reason;

/// A string that is written as one: client-go takes no number or truth value for it.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(in crate::parse) struct Text(pub(in crate::parse) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
        Ok(Text(text.to_owned()))
    }
}

/// A truth value that is written as one: client-go takes no string for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Flag(pub(super) bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FlagVisitor)
    }
}

struct FlagVisitor;

impl Visitor<'_> for FlagVisitor {
    type Value = Flag;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true or false")
    }

    fn visit_bool<E: de::Error>(self, is: bool) -> Result<Flag, E> {
        Ok(Flag(is))
    }
}

/// A string that is not kept: one of another type is refused all the same.
#[derive(Default, Deserialize)]
#[serde(from = "Option<Text>")]
pub(super) struct AnyText;

impl From<Option<Text>> for AnyText {
    fn from(_: Option<Text>) -> Self {
        Self
    }
}

/// What a key looks like from outside.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(from = "Text")]
pub(super) enum KeyForm {
    None,
    NotBase64,
    NotAKey,
    Key,
}

impl From<Text> for KeyForm {
    fn from(Text(data): Text) -> Self {
        match decode(&data) {
            _ if data.is_empty() => Self::None,
            Err(_) => Self::NotBase64,
            Ok(pem) if PrivateKeyDer::from_pem_slice(&pem).is_err() => Self::NotAKey,
            Ok(_) => Self::Key,
        }
    }
}

/// As Go's `base64.StdEncoding`: padded, and of blanks only line breaks are passed over.
pub(in crate::parse) fn decode(data: &str) -> Result<Vec<u8>, Reason> {
    const OF_GO: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
    );
    let packed: Vec<u8> = data.bytes().filter(|byte| !b"\r\n".contains(byte)).collect();
    OF_GO.decode(packed).map_err(|_| Reason::BadBase64)
}
