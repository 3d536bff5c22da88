//! A kubeconfig as a document: compared as a whole, or but for what a renewal may change.

use serde_json::{Map, Value};

use super::credential::{Credential, EncodedPair};
use super::yaml;

/// The fields that a renewal may change.
pub(crate) const CERTIFICATE: &str = "client-certificate-data";
pub(crate) const KEY: &str = "client-key-data";
const CA: &str = "certificate-authority-data";

/// A kubeconfig with the keys in it; so it has no `Debug` either.
#[derive(Eq, PartialEq)]
pub(crate) struct KubeconfigDocument(Value);

impl KubeconfigDocument {
    /// `None` if the bytes are no kubeconfig.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        yaml::read(bytes).ok().filter(Value::is_object).map(Self)
    }

    /// The rest of it, without what a renewal may change of its current `credential`.
    pub(crate) fn without(mut self, credential: &Credential) -> Option<Self> {
        let context = &credential.context;
        named(&mut self.0, "clusters", "cluster", &context.cluster)?.remove(CA)?;
        let user = named(&mut self.0, "users", "user", &context.user)?;
        user.remove(CERTIFICATE)?;
        user.remove(KEY)?;
        Some(self)
    }

    /// Gives each user that has the pair `old` the pair `new`.
    pub(crate) fn replace(&mut self, old: &EncodedPair, new: &EncodedPair) {
        let users = self.0.get_mut("users").and_then(Value::as_array_mut).into_iter().flatten();
        let users = users.filter_map(|user| user.get_mut("user")?.as_object_mut());
        let has_old = |user: &Map<String, Value>| {
            let is = |field, text: &String| user.get(field).is_some_and(|it| it == text);
            is(CERTIFICATE, &old.certificate) && is(KEY, &old.key)
        };
        for user in users.filter(|user| has_old(user)) {
            user.insert(CERTIFICATE.into(), new.certificate.clone().into());
            user.insert(KEY.into(), new.key.clone().into());
        }
    }

    /// True if nothing differs that a program would notice. kubeadm sorts, and leaves out what is empty.
    pub(crate) fn means_the_same(&self, other: &Self) -> bool {
        let parts = ["clusters", "contexts", "current-context", "users"];
        parts.iter().all(|part| normal(&self.0[part]) == normal(&other.0[part]))
    }
}

fn named<'a>(
    config: &'a mut Value,
    list: &str,
    item: &str,
    name: &str,
) -> Option<&'a mut Map<String, Value>> {
    let entries = config.get_mut(list)?.as_array_mut()?;
    entries.iter_mut().find(|entry| entry["name"] == name)?.get_mut(item)?.as_object_mut()
}

/// Without what is empty, and lists by name.
fn normal(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (name.clone(), normal(value)));
            Value::Object(fields.filter(|(_, value)| !is_empty(value)).collect())
        }
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(normal).collect();
            items.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
            Value::Array(items)
        }
        value => value.clone(),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}
