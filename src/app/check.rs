//! `certwatch check`: scan, judge, print, exit.

use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glob::Pattern;

use crate::cli::CheckArgs;
use crate::config::{Config, EndpointConfig};
use crate::domain::cluster::ClusterName;
use crate::domain::endpoint::HostPort;
use crate::domain::model::Inventory;
use crate::domain::policy::{Assessment, Severity, assess};
use crate::domain::renewal::decide;
use crate::domain::text::escape_control;
use crate::domain::time::UnixTime;
use crate::exit::Exit;
use crate::monitor::{self, MonitorState};
use crate::report::{self, Report, Style};
use crate::scan::{self, ScanRequest};
use crate::store;
use crate::sys;

/// Runs the check; every failure to do so is UNKNOWN.
pub(crate) fn run(args: &CheckArgs) -> Exit {
    match try_run(args) {
        Ok(severity) => Exit::Checked(severity),
        Err(error) => {
            super::print_error(&error);
            Exit::Checked(Severity::Unknown)
        }
    }
}

fn try_run(args: &CheckArgs) -> Result<Severity, String> {
    let config =
        super::config::effective(args.config.as_deref()).map_err(|errors| errors.to_string())?;
    let request = request(args, &config)?;
    let generated = sys::now();
    let hangs = Arc::default();
    let scanned = scan::scan(&request, &hangs, generated).map_err(|error| error.to_string())?;
    let inventory = with_memory(scanned, &config);
    let at = args.at.or(args.r#in.map(|span| generated + span)).unwrap_or(generated);
    let assessment = assess(&inventory, &config.policy, at);
    print(args, &config, &inventory, &assessment, [generated, at])
        .map_err(|error| format!("cannot write the report: {error}"))?;
    let severity = assessment.severity();
    if args.notify {
        super::tell::everybody(config, &request, &hangs, inventory);
    }
    Ok(severity)
}

/// What a component has read is in no file once that file is renewed; the daemon may have seen it before.
fn with_memory(mut inventory: Inventory, config: &Config) -> Inventory {
    let has_stale = inventory.items.iter().any(|item| item.stale_use.is_some());
    if has_stale && let Ok(Some(mut state)) = store::peek::<MonitorState>(&config.daemon.state_dir)
    {
        state.held.recall(&mut inventory);
    }
    inventory
}

fn request(args: &CheckArgs, config: &Config) -> Result<ScanRequest, String> {
    let only_paths = !args.paths.is_empty();
    let (endpoints, paths) = named(&args.paths, &args.root, config)?;
    if !endpoints.is_empty() && (args.offline || args.root != Path::new("/")) {
        return Err("HOST:PORT is connected to, and --offline and --root connect to nothing".into());
    }
    Ok(ScanRequest {
        root: args.root.clone(),
        standard: config.scan.standard,
        paths: if only_paths { paths } else { config.paths() },
        endpoints: if only_paths { endpoints } else { config.endpoints.clone() },
        only_paths,
        in_use: !args.offline,
        exclude: config.scan.excluded(),
        max_files: config.scan.max_files,
        timeout: config.scan.timeout,
    })
}

/// What the command line names: endpoints, as they are configured, and files with those that these should serve.
fn named(
    words: &[PathBuf],
    root: &Path,
    config: &Config,
) -> Result<(Vec<EndpointConfig>, Vec<String>), String> {
    let mut endpoints: Vec<EndpointConfig> = Vec::new();
    let mut files = Vec::new();
    for word in words {
        let Some(address) = word.to_str().and_then(HostPort::parse) else {
            files.push(word.clone());
            continue;
        };
        let known = endpoints.clone();
        let mut found: Vec<_> =
            config.endpoints.iter().filter(|it| it.address == address).cloned().collect();
        if found.is_empty() {
            found.push(EndpointConfig::of_address(address));
        }
        // Who names it twice has one answer.
        endpoints.extend(found.into_iter().filter(|it| !known.contains(it)));
    }
    let mut paths = absolute(&files, root)?;
    let served = endpoints.iter().filter_map(|it| it.file.as_deref());
    paths.extend(served.map(|file| Pattern::escape(&file.to_string_lossy())));
    Ok((endpoints, paths))
}

/// Paths of the command line as seen from the root directory of the node.
fn absolute(paths: &[PathBuf], root: &Path) -> Result<Vec<String>, String> {
    let here = if root == Path::new("/") {
        std::env::current_dir().unwrap_or_default()
    } else {
        "/".into()
    };
    paths.iter().map(|path| place(&scan::plain(&here.join(path)))).collect()
}

/// A path or glob of the command line, checked like one of the configuration.
fn place(path: &Path) -> Result<String, String> {
    let shown = escape_control(&path.to_string_lossy()).into_owned();
    let text = path.to_str().ok_or_else(|| format!("{shown}: a path must be UTF-8"))?;
    match Pattern::new(text) {
        Err(error) if scan::is_pattern(path.as_os_str()) && !path.exists() => {
            Err(format!("{shown}: no such file or pattern: {}", error.msg))
        }
        _ => Ok(text.to_owned()),
    }
}

fn print(
    args: &CheckArgs,
    config: &Config,
    inventory: &Inventory,
    assessment: &Assessment,
    [generated, at]: [UnixTime; 2],
) -> io::Result<()> {
    let found = match ClusterName::of(inventory) {
        ClusterName::Own(name) => Some(name),
        ClusterName::Shared | ClusterName::Unknown => None,
    };
    let node = monitor::identity(config, found.as_deref());
    let due = &decide::due(inventory, &config.renewal_policy(), at);
    let report =
        Report { node: &node, inventory, assessment, policy: &config.policy, due, generated, at };
    let stdout = io::stdout();
    let style = Style { width: sys::terminal_width(&stdout), colour: sys::wants_colour(&stdout) };
    let mut out = BufWriter::new(stdout.lock());
    let written = report::write(&report, args.output, &style, &mut out).and_then(|()| out.flush());
    match written {
        // `certwatch check | head` is no failure.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
