//! certwatch(8): one page, since each command is short.

use std::io;

use clap::Command;
use clap_mangen::Man;

const DESCRIPTION: &str = r".SH DESCRIPTION
certwatch checks the certificates of a control\-plane node, warns ahead of expiry what will stop
working and what to do, and renews what is due if that is enabled. It needs no configuration.
.PP
.B certwatch run
is the daemon, started by certwatch.service. The other commands are for operators, cron and monitoring.
Run them as root: what they may not read is reported as UNKNOWN. Each command has
.BR \-\-help .
.SH COMMANDS
";

/// What no help text says.
const END: &str = include_str!("program_end.roff");

/// The page in roff.
pub(crate) fn page(program: &Command) -> io::Result<Vec<u8>> {
    let mut program = program.clone();
    program.build();
    let verbs = verbs(&program);
    let version = program.get_version().unwrap_or_default();
    let mut page =
        format!(".TH certwatch 8 \"\" \"certwatch {version}\" \"System administration\"\n");
    page += &format!(".SH NAME\ncertwatch \\- {}\n.SH SYNOPSIS\n", about(&program));
    for verb in &verbs {
        page += &format!("{}\n.br\n", usage(verb));
    }
    page += DESCRIPTION;
    let mut page = page.into_bytes();
    for verb in verbs {
        add(&mut page, verb)?;
    }
    page.extend(END.as_bytes());
    Ok(page)
}

/// Those that do something, in the order of the help.
fn verbs(command: &Command) -> Vec<Command> {
    if command.has_subcommands() {
        command.get_subcommands().flat_map(verbs).collect()
    } else {
        vec![command.clone().mut_arg("help", |help| help.hide(true))]
    }
}

/// What it is, as part of a sentence.
fn about(command: &Command) -> String {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let mut letters = about.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

fn usage(verb: &Command) -> String {
    let usage = verb.clone().render_usage().to_string();
    let words = usage.trim_start_matches("Usage: ").replace('-', "\\-");
    let (name, arguments) = words.split_at(words.find(['[', '<']).unwrap_or(words.len()));
    format!(".BR \"{}\" \" {arguments}\"", name.trim_end())
}

fn add(page: &mut Vec<u8>, verb: Command) -> io::Result<()> {
    let name = verb.get_bin_name().unwrap_or_default().to_owned();
    page.extend(format!(".SS {name}\n").into_bytes());
    let man = Man::new(verb);
    let mut text = Vec::new();
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    // One section here, so without its headings.
    let text = String::from_utf8_lossy(&text);
    let lines = text.lines().filter(|line| !line.starts_with(".SH "));
    page.extend(lines.flat_map(|line| [line, "\n"]).collect::<String>().into_bytes());
    Ok(())
}
