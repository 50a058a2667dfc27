//! `sipward audit`: who changed what, and whether the log of it is whole.

use clap::{Args, Subcommand};
use serde_json::Value;
use ureq::http::Method;

use crate::storage::{AuditChain, Store};

use super::backup::Place;
use super::client::Caller::{Account, Operator};
use super::failure::{Code, Failure};
use super::session::{ListArgs, Listing, ServerArgs};
use super::table::{column, print};

pub(super) const EXAMPLES: &str = "\
Examples:
  sipward audit list                                          what was changed in your account, newest first
  SIPWARD_OPERATOR_TOKEN=… sipward audit list --operator      in all accounts
  SIPWARD_OPERATOR_TOKEN=… sipward audit verify               is the log of a running server whole?
  sipward audit verify --offline --config sipward.toml        while it is stopped
  sipward audit verify --head 5f1c…                           is it still the one that ended so, or grown from it?

verify ends with 1 when the chain of hashes is broken, and says at which entry. Keep the head that it prints elsewhere:
whoever can write the store's files can make a whole new chain, but not one that ends in a head that you have.";

const ENTRIES: Listing = Listing {
    path: "audit",
    plural: "entries",
    names: &["sequence"],
    columns: &[
        column!("NO", "sequence"),
        column!("TIME", "at"),
        column!("WHO", "actor"),
        column!("FROM", "source"),
        column!("DID", "action"),
        column!("OBJECT", "object"),
        column!("NAME", "object_name"),
        column!("FIELDS", "fields"),
        column!("REQUEST", "request_id"),
    ],
    paged: false,
};

/// See and check the audit log
#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// List what was changed, newest first
    #[command(after_help = EXAMPLES)]
    List {
        #[command(flatten)]
        wanted: ListArgs,
        /// Of all accounts, with the operator's token
        #[arg(long)]
        operator: bool,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Check the chain of hashes
    #[command(after_help = EXAMPLES)]
    Verify(Verify),
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// Read the folder of a server that is stopped
    #[arg(long)]
    offline: bool,
    /// The head of an earlier look, 64 hexadecimal digits: it must be the present one or that of an entry in the log
    #[arg(long, value_name = "HASH", requires = "offline")]
    head: Option<String>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    server: ServerArgs,
}

impl Action {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::List { wanted, operator, server } => {
                let session = server.session()?;
                let path = if operator { "/operator/audit".to_owned() } else { session.client.path(ENTRIES.path)? };
                session.list(if operator { Operator } else { Account }, &path, &ENTRIES, &wanted, &[])
            }
            Self::Verify(verify) if verify.offline => verify.offline(),
            Self::Verify(verify) => verify.online(),
        }
    }
}

impl Verify {
    fn offline(self) -> Result<(), Failure> {
        let settings = self.place.settings()?;
        // Opening makes a store where there is none.
        if !settings.path.join("sipward-store").exists() {
            return Err(Failure::new(Code::NotFound, format!("there is no store in {}", settings.path.display())));
        }
        let failed = |error: String| Failure::new(Code::Failed, error);
        let store = Store::open(&settings).map_err(|error| failed(error.to_string()))?;
        let AuditChain { first, last, head, broken } =
            store.verify_audit().map_err(|error| failed(error.to_string()))?;
        if let Some(broken) = broken {
            return Err(does_not_hold(broken.sequence, &broken.reason));
        }
        if let Some(wanted) = &self.head {
            let known = store.audit_has_head(wanted).map_err(|error| failed(error.to_string()))?;
            if !known {
                return Err(failed(format!(
                    "no entry of the audit log has the head {wanted}: it was made anew, or that entry is no longer kept"
                )));
            }
        }
        holds(first, last, &crate::storage::hex(&head))
    }

    fn online(self) -> Result<(), Failure> {
        let session = self.server.session()?;
        let answer = session.ask(Operator, Method::GET, "/operator/audit/verify".to_owned(), None, None)?;
        if session.json {
            session.show(&answer)?;
        }
        let number = |key: &str| answer.value.get(key).and_then(Value::as_u64).unwrap_or_default();
        let text = |key: &str| answer.value.get(key).and_then(Value::as_str).unwrap_or_default();
        if answer.value.get("holds").and_then(Value::as_bool) != Some(true) {
            return Err(does_not_hold(number("broken_at"), text("reason")));
        }
        if session.json { Ok(()) } else { holds(number("first"), number("last"), text("head")) }
    }
}

fn does_not_hold(sequence: u64, reason: &str) -> Failure {
    Failure::new(Code::Failed, format!("the audit log does not hold: entry {sequence}: {reason}"))
}

fn holds(first: u64, last: u64, head: &str) -> Result<(), Failure> {
    let text = match last {
        0 => "the audit log is empty\n".to_owned(),
        _ => format!("the audit log holds: entries {first} to {last}, head {head}\n"),
    };
    Ok(print(&text)?)
}
