//! `sipward registration` and `sipward call`: what is there at the moment.

use clap::Subcommand;
use ureq::http::Method;

use super::client::Caller::Account;
use super::client::encode;
use super::failure::Failure;
use super::session::{ListArgs, Listing, Session};
use super::table::column;

pub(super) const REGISTRATION_EXAMPLES: &str = "\
Examples:
  sipward registration list
  sipward registration list --search alice --json
  sipward registration remove alice@1234abcd.sip.example.org   the phone has to register again

An address of record is USER@DOMAIN as the list shows it.";

pub(super) const CALL_EXAMPLES: &str = "\
Examples:
  sipward call list
  sipward call list --all --json";

const REGISTRATIONS: Listing = Listing {
    path: "registrations",
    plural: "registrations",
    names: &["aor"],
    columns: &[
        column!("ADDRESS OF RECORD", "aor"),
        column!("CONTACT", "contact"),
        column!("SOURCE", "source"),
        column!("TRANSPORT", "transport"),
        column!("EXPIRES", "expires_at"),
        column!("USER AGENT", "user_agent"),
    ],
    paged: false,
};

const CALLS: Listing = Listing {
    path: "calls",
    plural: "calls",
    names: &["call_id"],
    columns: &[
        column!("FROM", "from"),
        column!("TO", "to"),
        column!("ANSWERED", "answered"),
        column!("SINCE", "since"),
        column!("TRUNK", "trunk_id"),
        column!("CALL-ID", "call_id"),
    ],
    paged: false,
};

/// See and end registrations: where phones can be reached now
#[derive(Debug, Subcommand)]
pub(super) enum Registration {
    /// List what is registered
    #[command(after_help = REGISTRATION_EXAMPLES)]
    List(ListArgs),
    /// Forget where an address of record can be reached
    #[command(after_help = REGISTRATION_EXAMPLES)]
    Remove {
        /// USER@DOMAIN
        aor: String,
    },
}

/// See calls
#[derive(Debug, Subcommand)]
pub(super) enum Call {
    /// List the calls that are up or being set up
    #[command(after_help = CALL_EXAMPLES)]
    List(ListArgs),
}

impl Registration {
    pub(super) fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::List(wanted) => {
                let path = session.client.path(REGISTRATIONS.path)?;
                session.list(Account, &path, &REGISTRATIONS, &wanted, &[])
            }
            Self::Remove { aor } => {
                let path = session.client.path(&format!("registrations/{}", encode(&aor)))?;
                session.ask(Account, Method::DELETE, path, None, None)?;
                session.done(&format!("{aor} is not registered any more"))
            }
        }
    }
}

impl Call {
    pub(super) fn run(self, session: &Session) -> Result<(), Failure> {
        let Self::List(wanted) = self;
        session.list(Account, &session.client.path(CALLS.path)?, &CALLS, &wanted, &[])
    }
}
