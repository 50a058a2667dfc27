//! `sipward credential`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Map, Value};
use ureq::http::Method;

use super::client::Caller::Account;
use super::failure::Failure;
use super::import::{self, ImportArgs};
use super::password;
use super::session::{Fields, ListArgs, Listing, Session};
use super::table::{column, note};
use super::trunk::{TRUNKS, switch};

pub(super) const EXAMPLES: &str = "\
Examples:
  sipward credential list --search ali
  sipward credential add alice                        asks for the password, twice
  sipward credential add alice --generate             makes one and shows it once
  pass show sip/alice | sipward credential add alice --password-stdin --trunk office
  sipward credential add alice --ha1 MD5=5f4dcc3b5aa765d61d8327deb882cf99
  sipward credential set alice --generate             a new password; the next request must use it
  sipward credential disable alice                    drops what alice has registered, at once
  sipward credential import users.csv                 lines username,password[,enabled]; can be repeated

A credential is named by its id or its username. A password never stands on the command line: others on this machine can read
that.";

/// All credentials of the account.
pub(super) const CREDENTIALS: Listing = Listing {
    path: "trunks/credentials",
    plural: "credentials",
    names: &["id", "username"],
    columns: &[
        column!("USERNAME", "username"),
        column!("ENABLED", "enabled"),
        column!("TRUNK", "trunk_id"),
        column!("REALM", "realm"),
        column!("DESCRIPTION", "description"),
        column!("UPDATED", "updated_at"),
        column!("ID", "id"),
    ],
    paged: false,
};

/// Manage credentials: the names and passwords with which phones and PBXes come
#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// List the credentials of the account
    #[command(after_help = EXAMPLES)]
    List {
        #[command(flatten)]
        wanted: ListArgs,
        /// Only those for this trunk: id, name or domain
        #[arg(long)]
        trunk: Option<String>,
    },
    /// Show everything about a credential but its password, which nobody has
    #[command(after_help = EXAMPLES)]
    Show {
        /// Id or username
        credential: String,
    },
    /// Make a credential; it can register with the next packet
    #[command(after_help = EXAMPLES)]
    Add {
        /// 1 to 64 characters of A-Z a-z 0-9 _ . + -; never changed later
        username: String,
        #[command(flatten)]
        password: NewPassword,
        /// Only for this trunk: id, name or domain
        #[arg(long)]
        trunk: Option<String>,
        /// Free text
        #[arg(long)]
        description: Option<String>,
        /// Make it without letting it be used
        #[arg(long)]
        disabled: bool,
    },
    /// Change a credential; what is not named stays as it is
    #[command(after_help = EXAMPLES)]
    Set {
        /// Id or username
        credential: String,
        /// Ask for a new password, twice
        #[arg(long)]
        password: bool,
        #[command(flatten)]
        new: NewPassword,
        /// Free text
        #[arg(long)]
        description: Option<String>,
        /// Only if it is still as it was with this ETag
        #[arg(long, value_name = "ETAG")]
        if_match: Option<String>,
    },
    /// Let a credential be used again
    #[command(after_help = EXAMPLES)]
    Enable {
        /// Id or username
        credential: String,
    },
    /// Refuse a credential and drop what it has registered
    #[command(after_help = EXAMPLES)]
    Disable {
        /// Id or username
        credential: String,
    },
    /// Remove credentials and drop what they have registered
    #[command(after_help = EXAMPLES)]
    Remove {
        /// Ids or usernames
        #[arg(required = true)]
        credentials: Vec<String>,
    },
    /// Make the credentials of a CSV file: username,password[,enabled], one a line
    ///
    /// Those that exist stay as they are and are counted as present, so an import that was interrupted can be repeated.
    /// Refused rows are told with their line; they do not stop the others, and the exit code is then 7.
    #[command(after_help = EXAMPLES)]
    Import {
        /// The file, or - for standard input
        #[arg(value_name = "FILE.csv")]
        file: PathBuf,
        #[command(flatten)]
        how: ImportArgs,
    },
}

/// A new password, or what a client has computed of it.
#[derive(Debug, Args)]
pub(super) struct NewPassword {
    #[command(flatten)]
    source: password::Source,
    /// Instead of a password: HA1 for the account's realm (RFC 7616 §3.4.2), as MD5=…, SHA-256=… or SHA-512-256=…
    #[arg(long, value_name = "ALGORITHM=HEX", conflicts_with_all = ["password_stdin", "generate"])]
    ha1: Vec<String>,
}

impl NewPassword {
    fn is_given(&self) -> bool {
        self.source.is_given() || !self.ha1.is_empty()
    }

    /// Puts it into `fields`; gives it back where it was made here and has to be told.
    fn set(self, fields: &mut Fields, whom: &str) -> Result<Option<password::Password>, Failure> {
        if self.ha1.is_empty() {
            let password = self.source.get(whom)?;
            fields.set("password", Some(password.secret.reveal()));
            return Ok(Some(password).filter(|password| password.made));
        }
        let mut ha1 = Map::new();
        for word in &self.ha1 {
            // Not repeated in the message: an HA1 is as good as a password.
            let wrong =
                || Failure::usage("--ha1: expected ALGORITHM=HEX, for example MD5=5f4dcc3b5aa765d61d8327deb882cf99");
            let (algorithm, hex) = word.split_once('=').ok_or_else(wrong)?;
            ha1.insert(algorithm.to_owned(), Value::from(hex));
        }
        fields.set("ha1", Some(ha1));
        Ok(None)
    }
}

impl Action {
    pub(super) fn run(self, session: &Session) -> Result<(), Failure> {
        let path = |word: &str| session.client.path(&format!("credentials/{}", session.id_of(&CREDENTIALS, word)?));
        let trunk_id = |trunk: Option<String>| trunk.map(|word| session.id_of(&TRUNKS, &word)).transpose();
        let mut fields = Fields::default();
        match self {
            Self::List { wanted, trunk } => {
                let filter = [("trunk_id", trunk_id(trunk)?)];
                session.list(Account, &session.client.path(CREDENTIALS.path)?, &CREDENTIALS, &wanted, &filter)
            }
            Self::Show { credential } => {
                session.show(&session.ask(Account, Method::GET, path(&credential)?, None, None)?)
            }
            Self::Add { username, password, trunk, description, disabled } => {
                let path = session.client.path("credentials")?;
                let trunk = trunk_id(trunk)?;
                let made = password.set(&mut fields, &username)?;
                fields
                    .set("username", Some(username.clone()))
                    .set("trunk_id", trunk)
                    .set("description", description)
                    .set("enabled", disabled.then_some(false));
                send(session, Method::POST, path, fields, None, made)
            }
            Self::Set { credential, password, new, description, if_match } => {
                let path = path(&credential)?;
                let made = if password || new.is_given() { new.set(&mut fields, &credential)? } else { None };
                fields.set("description", description);
                if fields.is_empty() {
                    return Err(Failure::usage("nothing to change: name at least one option, see --help"));
                }
                send(session, Method::PUT, path, fields, if_match.as_deref(), made)
            }
            Self::Enable { credential } => switch(session, Account, path(&credential)?, true),
            Self::Disable { credential } => switch(session, Account, path(&credential)?, false),
            Self::Remove { credentials } => credentials.iter().try_for_each(|credential| {
                session.ask(Account, Method::DELETE, path(credential)?, None, None)?;
                session.done(&format!("removed {credential}"))
            }),
            Self::Import { file, how } => import::csv(session, &file, how, trunk_id),
        }
    }
}

/// Sends, shows, and tells a password that was made here.
fn send(
    session: &Session,
    method: Method,
    path: String,
    fields: Fields,
    if_match: Option<&str>,
    made: Option<password::Password>,
) -> Result<(), Failure> {
    session.show(&session.ask(Account, method, path, Some(fields), if_match)?)?;
    if let Some(password) = made {
        // On standard error, so that --json stays what the server sent.
        note(&format!("password  {}\nIt is not shown again.", password.secret.reveal()));
    }
    Ok(())
}
