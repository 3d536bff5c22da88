//! The binary: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    certwatch::run(&words).into()
}
