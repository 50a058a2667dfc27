//! `sipward backup` and `sipward restore`.

#![allow(clippy::disallowed_methods, reason = "the command line is shell: it reads the clock")]

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use ureq::http::Method;

use crate::config::Config;
use crate::storage::{self, BackupError, BackupSummary, Store};

use super::client::{Ask, Caller};
use super::failure::{Code, Failure};
use super::session::ServerArgs;
use super::table::print;

pub(super) const EXAMPLES: &str = "\
Examples:
  SIPWARD_OPERATOR_TOKEN=… sipward backup /var/backups/sipward-2026-11-24     of a running server
  sipward backup --offline --config sipward.toml sipward.backup               while it is stopped
  sipward restore --check sipward.backup                                      is it whole?
  sipward restore --config sipward.toml sipward.backup                        into the empty [storage] path

A backup holds what is needed to answer for every user: keep it like the store itself. It has mode 0600.";

/// Write everything that the store holds into one new file
///
/// Of a running server, over its API with the operator's token, while it serves and takes changes: the file is the
/// state between two of them. With --offline from the store's folder, which no server may have open.
#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The file to make; it must not exist
    file: PathBuf,
    /// Read the folder of a server that is stopped
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    server: ServerArgs,
}

/// Bring a backup back into a folder without a store
///
/// Everything in the file is checked before anything is written. Nothing is overwritten: move an old store aside first.
#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The backup
    file: PathBuf,
    /// Only say whether it is whole and what it holds
    #[arg(long, conflicts_with_all = ["without_bindings", "config", "store"])]
    check: bool,
    /// Leave out where phones were registered; they register again by themselves
    #[arg(long)]
    without_bindings: bool,
    #[command(flatten)]
    place: Place,
}

/// Where the store is.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// The configuration file that names the store, for a stopped server
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The store's folder, instead of the configuration's [storage] path
    #[arg(long, value_name = "FOLDER")]
    store: Option<PathBuf>,
}

impl Place {
    pub(super) fn settings(&self) -> Result<storage::Settings, Failure> {
        if let Some(path) = &self.store {
            return Ok(storage::Settings { path: path.clone() });
        }
        let config = Config::load(self.config.as_deref(), std::env::vars_os());
        config.map(|config| config.storage).map_err(|errors| Failure::new(Code::Failed, errors.to_string()))
    }
}

impl Backup {
    pub(super) fn run(self) -> Result<(), Failure> {
        let summary = if self.offline {
            offline(&self.place.settings()?, &self.file)?
        } else {
            if self.place.config.is_some() || self.place.store.is_some() {
                return Err(Failure::usage("--config and --store are for a stopped server: add --offline"));
            }
            let session = self.server.session()?;
            let path = "/operator/backup".to_owned();
            let ask =
                Ask { caller: Caller::Operator, method: Method::GET, path, query: vec![], body: None, if_match: None };
            storage::receive_backup(session.client.download(&ask)?, &self.file)?
        };
        print(&format!("{}: {}\n", self.file.display(), describe(&summary)))?;
        Ok(())
    }
}

fn offline(settings: &storage::Settings, file: &Path) -> Result<BackupSummary, Failure> {
    // Opening makes a store where there is none, and a backup of nothing helps nobody.
    if !settings.path.join("sipward-store").exists() {
        return Err(Failure::new(Code::NotFound, format!("there is no store in {}", settings.path.display())));
    }
    let store = Store::open(settings).map_err(|error| Failure::new(Code::Failed, error.to_string()))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(store.backup_to(file, u64::try_from(now.as_micros()).unwrap_or(u64::MAX))?)
}

impl Restore {
    pub(super) fn run(self) -> Result<(), Failure> {
        if self.check {
            let summary = storage::check_backup(&self.file)?;
            return Ok(print(&format!("{} is whole: {}\n", self.file.display(), describe(&summary)))?);
        }
        let settings = self.place.settings()?;
        let summary = storage::restore_backup(&self.file, &settings, !self.without_bindings)?;
        Ok(print(&format!("{}: {}\n", settings.path.display(), describe(&summary)))?)
    }
}

fn describe(summary: &BackupSummary) -> String {
    let made = i64::try_from(summary.made_at).ok().and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok());
    let made = made.map_or_else(|| "an unknown time".to_owned(), |time| format!("{time:.0}"));
    let BackupSummary { objects, bindings, program, .. } = summary;
    format!("{objects} records and {bindings} addresses of record with bindings, of {made}, by sipward {program}")
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        let code = match &error {
            BackupError::Exists { .. } | BackupError::Occupied { .. } => Code::Conflict,
            BackupError::Damaged { .. } | BackupError::NotABackup { .. } | BackupError::Newer { .. } => Code::Invalid,
            _ => Code::Failed,
        };
        Self::new(code, error.to_string())
    }
}
