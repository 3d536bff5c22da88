//! Any bytes as a kubeconfig.

#![no_main]

use certwatch::parse::kubeconfig::{self, PemSource};
use certwatch::parse::{form, manifest, pem};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = form(bytes);
    let _ = manifest::version(bytes);
    let Ok(config) = kubeconfig::read(bytes) else { return };
    let sources = config.clusters.into_iter().map(|cluster| cluster.ca);
    for source in sources.chain(config.users.into_iter().map(|user| user.certificate)) {
        if let PemSource::Inline(Ok(data)) = source {
            let _ = pem::certificates(&data);
        }
    }
});
