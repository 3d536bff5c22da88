//! certwatch(8): one page, since each verb is short.

use std::io;

use clap::Command;
use clap_mangen::Man;

/// What no help text says.
const END: &str = r".SH FILES
.TP
\fI/etc/certwatch/config.toml\fR, \fI/etc/certwatch/conf.d/*.toml\fR
The configuration; see
.BR certwatch.toml (5).
.TP
\fI/etc/certwatch/credentials/\fR
Secrets, one a file, for root alone.
.TP
\fI/var/lib/certwatch/\fR
What the daemon has told whom.
.TP
\fI/var/lib/certwatch\-renew/\fR
Journal and backups of renewals. The backups hold keys.
.SH SEE ALSO
.BR certwatch.toml (5),
.BR systemctl (1),
.BR journalctl (1)
";

/// The page in roff.
pub(crate) fn page(program: &Command) -> io::Result<Vec<u8>> {
    let mut program = program.clone();
    program.build();
    let mut page = Vec::new();
    let man = man(&program);
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    for verb in program.get_subcommands() {
        add(&mut page, verb)?;
    }
    page.extend(END.as_bytes());
    Ok(page)
}

/// A verb with those below it, each a section.
fn add(page: &mut Vec<u8>, verb: &Command) -> io::Result<()> {
    if verb.has_subcommands() {
        return verb.get_subcommands().try_for_each(|verb| add(page, verb));
    }
    let words = verb.get_bin_name().unwrap_or_default().to_owned();
    let man = man(verb);
    let mut text = Vec::new();
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    page.extend(format!(".SH {}\n", words.to_uppercase()).into_bytes());
    // Parts of a section here, not sections.
    page.extend(text.replace(".SH ", ".SS ").into_bytes());
    Ok(())
}

fn man(command: &Command) -> Man {
    Man::new(command.clone()).section("8").manual("System administration").date("")
}
