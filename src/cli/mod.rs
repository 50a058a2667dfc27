//! The command line: the server itself, and the commands that manage a running one over its API, one file a resource.

mod account;
mod acl;
mod audit;
mod backup;
mod client;
mod credential;
mod failure;
mod import;
mod kamailio;
mod live;
mod number;
mod password;
mod session;
mod table;
mod trunk;
mod uri;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::app;
use crate::config::{Config, ConfigErrors};

use failure::{Code, Failure};
use session::{ServerArgs, Session};
use table::print;

const EXAMPLES: &str = "\
Examples:
  sipward serve                                   run with the defaults, no file needed
  sipward serve --config sipward.toml             run with a file
  sipward serve --seed users.csv                  load users, each line username,password
  SIPWARD_SIP_LISTEN=udp:127.0.0.1:5070 sipward serve
                                                  set one key: [sip] listen
  sipward check --config sipward.toml             say what is wrong with a file, start nothing
  sipward credential add alice                    make a user of a running server
  sipward registration list                       where phones can be reached now
  sipward completions bash > /etc/bash_completion.d/sipward

Every key of the file can be set by the environment variable SIPWARD_SECTION_NAME; lists are separated by commas.
The file config/sipward.toml of the distribution shows and explains every key.

The commands that manage a running server talk to its API at SIPWARD_API, as the account SIPWARD_AUTH_ID with
SIPWARD_AUTH_TOKEN, or as the operator with SIPWARD_OPERATOR_TOKEN. They end with 0 when all went well, 1 when something
failed, 2 for wrong usage, 3 when no server answers, 4 when it refuses the caller (401, 403), 5 when there is no such
thing (404), 6 when something is in the way (409, 412), 7 when what was asked for cannot be (400) or rows of an import
were refused.";

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
    #[command(after_help = account::EXAMPLES)]
    Account(Managed<account::Action>),
    #[command(after_help = trunk::EXAMPLES)]
    Trunk(Managed<trunk::Action>),
    #[command(after_help = credential::EXAMPLES)]
    Credential(Managed<credential::Action>),
    #[command(after_help = acl::EXAMPLES)]
    Acl(Managed<acl::Action>),
    #[command(after_help = uri::EXAMPLES)]
    Uri(Managed<uri::Action>),
    #[command(after_help = number::EXAMPLES)]
    Number(Managed<number::Action>),
    #[command(after_help = live::REGISTRATION_EXAMPLES)]
    Registration(Managed<live::Registration>),
    #[command(after_help = live::CALL_EXAMPLES)]
    Call(Managed<live::Call>),
    /// See who changed what, and check that the log of it is whole
    #[command(subcommand, after_help = audit::EXAMPLES)]
    Audit(audit::Action),
    #[command(after_help = kamailio::EXAMPLES)]
    Import(Managed<kamailio::Action>),
    #[command(after_help = backup::EXAMPLES)]
    Backup(Box<backup::Backup>),
    #[command(after_help = backup::EXAMPLES)]
    Restore(backup::Restore),
    /// Print a script that completes commands and options in your shell
    #[command(after_help = COMPLETIONS)]
    Completions {
        /// The shell
        shell: Shell,
    },
}

const COMPLETIONS: &str = "\
Examples:
  sipward completions bash > /etc/bash_completion.d/sipward
  sipward completions zsh > /usr/local/share/zsh/site-functions/_sipward
  sipward completions fish > ~/.config/fish/completions/sipward.fish";

/// A resource of a running server.
#[derive(Debug, Args)]
struct Managed<A: Subcommand> {
    #[command(subcommand)]
    action: A,
    #[command(flatten)]
    server: ServerArgs,
}

impl<A: Subcommand> Managed<A> {
    fn run(self, run: impl FnOnce(A, &Session) -> Result<(), Failure>) -> Result<(), Failure> {
        run(self.action, &self.server.session()?)
    }
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
/// The end of `sipward --help` tells its exit codes.
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
    match command_line.command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(io::stderr(), "sipward: {failure}");
            ExitCode::from(failure.code as u8)
        }
    }
}

impl Command {
    fn run(self) -> Result<(), Failure> {
        match self {
            Self::Serve { source, seed } => Ok(serve(&source, seed)?),
            Self::Check { source } => Ok(check(&source)?),
            Self::Account(managed) => managed.run(account::Action::run),
            Self::Trunk(managed) => managed.run(trunk::Action::run),
            Self::Credential(managed) => managed.run(credential::Action::run),
            Self::Acl(managed) => managed.run(acl::Action::run),
            Self::Uri(managed) => managed.run(uri::Action::run),
            Self::Number(managed) => managed.run(number::Action::run),
            Self::Registration(managed) => managed.run(live::Registration::run),
            Self::Call(managed) => managed.run(live::Call::run),
            Self::Audit(action) => action.run(),
            Self::Import(managed) => managed.run(kamailio::Action::run),
            Self::Backup(backup) => backup.run(),
            Self::Restore(restore) => restore.run(),
            Self::Completions { shell } => completions(shell),
        }
    }
}

fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut CommandLine::command(), "sipward", &mut script);
    let script = String::from_utf8(script).map_err(|error| Failure::new(Code::Failed, error.to_string()))?;
    Ok(print(&script)?)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn every_command_has_examples_in_its_help() {
        fn visit(command: &mut clap::Command, path: &str) {
            let name = format!("{path} {}", command.get_name());
            let help = command.render_long_help().to_string();
            assert!(name.trim() == "sipward check" || help.contains("Examples:"), "{name}\n{help}");
            assert!(!help.contains("--auth-token ") && !help.contains("--password <"), "{name}");
            for below in command.get_subcommands_mut().filter(|below| below.get_name() != "help") {
                visit(below, &name);
            }
        }
        visit(&mut CommandLine::command(), "");
    }
}
