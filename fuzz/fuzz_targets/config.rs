//! Any text is a configuration or a list of errors; what is a configuration reads back to itself.
#![no_main]

use std::path::Path;

use certwatch::config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let file = Path::new("fuzz.toml");
    match config::parse(text, file) {
        Ok(config) => assert_eq!(config::parse(&config.to_toml().unwrap(), file), Ok(config)),
        Err(errors) => assert!(!errors.to_string().is_empty()),
    }
});
