//! The bare loop that `certwatch check` is compared with: open, read and base64-decode every file
//! below a directory, and nothing else.

#![allow(clippy::expect_used, clippy::print_stdout, reason = "a measuring rod")]

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

fn main() {
    let directory = std::env::args_os().nth(1).expect("usage: read-decode DIR");
    let mut total = 0;
    visit(Path::new(&directory), &mut total);
    println!("{total} bytes of DER");
}

fn visit(directory: &Path, total: &mut usize) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let entry = entry.expect("an entry");
        if entry.file_type().expect("its type").is_dir() {
            visit(&entry.path(), total);
        } else {
            let text = fs::read(entry.path()).expect("a file");
            let base64: Vec<u8> = text
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.starts_with(b"-----"))
                .flatten()
                .copied()
                .collect();
            *total += STANDARD.decode(base64).expect("base64").len();
        }
    }
}
