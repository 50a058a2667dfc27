//! The command line.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::app;
use crate::config::{Config, ConfigErrors};

const EXAMPLES: &str = "\
Examples:
  sipward serve                                   run with the defaults, no file needed
  sipward serve --config sipward.toml             run with a file
  sipward serve --seed users.csv                  load users, each line username,password
  SIPWARD_SIP_LISTEN=udp:127.0.0.1:5070 sipward serve
                                                  set one key: [sip] listen
  sipward check --config sipward.toml             say what is wrong with a file, start nothing

Every key of the file can be set by the environment variable SIPWARD_SECTION_NAME; lists are separated by commas.
The file config/sipward.toml of the distribution shows and explains every key.";

/// Decides who may use SIP trunks: digest and IP ACL gate, registrar and proxy in one program.
#[derive(Debug, Parser)]
#[command(name = "sipward", version, about, after_help = EXAMPLES, arg_required_else_help = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server until SIGTERM or Ctrl-C
    #[command(after_help = EXAMPLES)]
    Serve {
        #[command(flatten)]
        source: Source,
        /// Load users from a CSV file: username,password[,enabled], one a line; those that exist stay as they are
        #[arg(long, value_name = "FILE.csv")]
        seed: Option<PathBuf>,
    },
    /// Check the configuration and show every value in effect; nothing is started
    Check {
        #[command(flatten)]
        source: Source,
    },
}

#[derive(Debug, Args)]
struct Source {
    /// The configuration file; without it the defaults hold
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Source {
    fn load(&self, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Config, ConfigErrors> {
        Config::load(self.config.as_deref(), environment)
    }
}

/// Runs the program with the arguments and the environment of the process.
///
/// Ends with 0 when all went well, 1 when the configuration or the server fails, 2 for wrong usage.
pub fn run() -> ExitCode {
    let command_line = match CommandLine::try_parse() {
        Ok(command_line) => command_line,
        Err(message) => {
            let code = u8::try_from(message.exit_code()).unwrap_or(2);
            // Help goes to standard output, which may be closed already; there is nobody left to tell.
            let _ = message.print();
            return ExitCode::from(code);
        }
    };
    let outcome = match command_line.command {
        Command::Serve { source, seed } => serve(&source, seed),
        Command::Check { source } => check(&source),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "sipward: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(source: &Source, seed: Option<PathBuf>) -> anyhow::Result<()> {
    let mut config = source.load(std::env::vars_os())?;
    if seed.is_some() {
        config.account.seed = seed;
    }
    app::run(config)
}

fn check(source: &Source) -> anyhow::Result<()> {
    let config = source.load(std::env::vars_os())?;
    app::check(&config)?;
    let from = source.config.as_deref().map(Path::display);
    let from = from.map_or_else(|| "defaults, no file".to_owned(), |file| file.to_string());
    print(&format!("configuration is valid ({from})\n\n{}", config.summary()))?;
    Ok(())
}

/// A reader that has gone away (`sipward check | head -1`) has seen what it wanted.
fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        CommandLine::command().debug_assert();
    }
}
