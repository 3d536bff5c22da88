//! Writes what the package has for readers and shells into a directory: the manual pages, the
//! completions and the notices of libraries. All of it comes from the command line's own definition,
//! the example configuration and the libraries' sources, so that none of it can differ from the program.

mod config_page;
mod notices;
mod program_page;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use certwatch::cli::Cli;
use clap::CommandFactory as _;
use clap_complete::Shell;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args_os().nth(1).map(PathBuf::from).ok_or("where to? Name a directory")?;
    fs::create_dir_all(&dir)?;
    fs::write(dir.join("certwatch.8"), program_page::page(&Cli::command())?)?;
    fs::write(dir.join("certwatch.toml.5"), config_page::page(EXAMPLE))?;
    fs::write(dir.join("third-party-notices"), notices::notices()?)?;
    complete(&dir)?;
    Ok(())
}

const EXAMPLE: &str = include_str!("../../config.example.toml");

fn complete(dir: &Path) -> std::io::Result<()> {
    for (shell, file) in
        [(Shell::Bash, "certwatch"), (Shell::Zsh, "_certwatch"), (Shell::Fish, "certwatch.fish")]
    {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "certwatch", &mut script);
        fs::write(dir.join(file), script)?;
    }
    Ok(())
}
