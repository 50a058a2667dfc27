//! `sipward import kamailio`: the rows of Kamailio's table `subscriber`.
//!
//! Kamailio's `ha1` is MD5(username:realm:password) (RFC 7616 §3.4.2), and its realm is by default the row's domain. An HA1 is bound to its realm, so only rows
//! of the account's own realm can be taken over without the password.

use std::io::{self, BufRead};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::Value;
use ureq::http::Method;

use crate::config::Secret;

use super::client::{Ask, Caller};
use super::failure::{Code, Failure};
use super::import::{self, ImportArgs, Md5, New, NewSecret, Row};
use super::session::Session;
use super::trunk::TRUNKS;

pub(super) const EXAMPLES: &str = "\
Examples:
  mysql --batch -e 'select username,domain,ha1 from subscriber' kamailio > subscriber.tsv
  sipward import kamailio subscriber.tsv
  sqlite3 -csv -header kamailio.sqlite 'select * from subscriber' | sipward import kamailio -
  sipward import kamailio --use-passwords subscriber.csv

The first line names the columns; without it they are username,domain,ha1[,ha1b[,password]]. Columns are separated by
commas or tabs. An HA1 is good for one realm only: rows whose domain is not the realm of the account are refused. Make
the account with that realm (sipward account add --realm), or use the passwords if the table has them.";

/// Take users over from another program
#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Make credentials of a dump of Kamailio's table subscriber
    #[command(after_help = EXAMPLES)]
    Kamailio(Box<Kamailio>),
}

#[derive(Debug, Args)]
pub(super) struct Kamailio {
    /// The dump, or - for standard input
    #[arg(value_name = "FILE.csv")]
    file: PathBuf,
    /// The realm of the account, where the server has not told it in a credential yet
    #[arg(long)]
    realm: Option<String>,
    /// Use the column password instead of ha1; then the domain does not matter
    #[arg(long)]
    use_passwords: bool,
    #[command(flatten)]
    how: ImportArgs,
}

impl Action {
    pub(super) fn run(self, session: &Session) -> Result<(), Failure> {
        let Self::Kamailio(wanted) = self;
        let realm = match (&wanted.realm, wanted.use_passwords) {
            (Some(realm), _) => realm.clone(),
            (None, true) => String::new(),
            (None, false) => realm(session)?,
        };
        let trunk_id = wanted.how.trunk.as_ref().map(|word| session.id_of(&TRUNKS, word)).transpose()?;
        let (input, progress) = import::open(&wanted.file)?;
        let taken = Taken { realm, use_passwords: wanted.use_passwords, trunk_id };
        let rows = rows(input, taken)?;
        import::run(session, &wanted.file, &wanted.how, rows, &progress)
    }
}

/// The realm as the account's credentials show it.
fn realm(session: &Session) -> Result<String, Failure> {
    let ask = Ask {
        caller: Caller::Account,
        method: Method::GET,
        path: session.client.path("trunks/credentials")?,
        query: vec![("limit", "1".to_owned())],
        body: None,
        if_match: None,
    };
    let answer = session.client.ask(&ask)?;
    let realm = answer.value.pointer("/objects/0/realm").and_then(Value::as_str);
    realm.map(str::to_owned).ok_or_else(|| {
        Failure::usage(
            "the account has no credential yet that would show its realm: give --realm, or make one credential first",
        )
    })
}

/// What is taken of a row.
struct Taken {
    realm: String,
    use_passwords: bool,
    trunk_id: Option<String>,
}

/// Where the columns are.
#[derive(Clone, Copy)]
struct Columns {
    username: usize,
    domain: usize,
    ha1: Option<usize>,
    password: Option<usize>,
}

impl Columns {
    const PLAIN: Self = Self { username: 0, domain: 1, ha1: Some(2), password: Some(4) };

    /// From a first line; `None` where it is a row already.
    fn named(line: &csv::StringRecord) -> Option<Self> {
        let find = |name| line.iter().position(|cell| cell.trim().eq_ignore_ascii_case(name));
        Some(Self {
            username: find("username")?,
            domain: find("domain")?,
            ha1: find("ha1"),
            password: find("password"),
        })
    }
}

fn rows(mut input: impl BufRead + Send, taken: Taken) -> Result<impl Iterator<Item = io::Result<Row>> + Send, Failure> {
    let tabs = input.fill_buf()?.iter().take_while(|byte| **byte != b'\n').any(|byte| *byte == b'\t');
    let reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(if tabs { b'\t' } else { b',' })
        .from_reader(input);
    let mut records = reader.into_records();
    let mut columns = Columns::PLAIN;
    let first = records.next();
    let header = matches!(&first, Some(Ok(record)) if Columns::named(record).map(|named| columns = named).is_some());
    let wanted = if taken.use_passwords { columns.password } else { columns.ha1 };
    if wanted.is_none() {
        let name = if taken.use_passwords { "password" } else { "ha1" };
        return Err(Failure::new(Code::Invalid, format!("the first line names no column {name}")));
    }
    let first = first.filter(|_| !header);
    Ok(first.into_iter().chain(records).map(move |record| match record {
        Ok(record) => Ok((record.position().map_or(0, csv::Position::line), row(&record, columns, &taken))),
        Err(error) => match (error.is_io_error(), error.position().map(csv::Position::line)) {
            (false, Some(line)) => Ok((line, Err("the line cannot be read; is it UTF-8?".to_owned()))),
            _ => Err(io::Error::other(error)),
        },
    }))
}

fn row(record: &csv::StringRecord, columns: Columns, taken: &Taken) -> Result<New, String> {
    let cell = |at: usize| record.get(at).map(str::trim).filter(|cell| !cell.is_empty() && *cell != "NULL");
    let username = cell(columns.username).ok_or("it has no username")?;
    let secret = if taken.use_passwords {
        let password = columns.password.and_then(|at| record.get(at)).filter(|password| !password.is_empty());
        NewSecret::Password(Secret::new(password.ok_or("it has no password")?.to_owned()))
    } else {
        let domain = cell(columns.domain).ok_or("it has no domain")?;
        if domain != taken.realm {
            return Err(format!(
                "its HA1 is for the realm {domain}, and this account's realm is {}: it can only be taken over with the password",
                taken.realm
            ));
        }
        let ha1 = columns.ha1.and_then(cell).ok_or("it has no ha1")?;
        if ha1.len() != 32 || !ha1.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err("its ha1 is not 32 hexadecimal digits".to_owned());
        }
        NewSecret::Ha1(Md5 { md5: Secret::new(ha1.to_ascii_lowercase()) })
    };
    Ok(New { username: username.to_owned(), secret, enabled: true, trunk_id: taken.trunk_id.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HA1: &str = "5F4DCC3B5AA765D61D8327DEB882CF99";

    fn read(text: &str, use_passwords: bool) -> Vec<(u64, String)> {
        let taken = Taken { realm: "example.org".to_owned(), use_passwords, trunk_id: None };
        let show = |row: Result<New, String>| match row {
            Ok(new) => serde_json::to_string(&new).unwrap(),
            Err(why) => why,
        };
        let rows = rows(io::Cursor::new(text.as_bytes().to_vec()), taken).unwrap();
        rows.map(|row| row.unwrap()).map(|(line, row)| (line, show(row))).collect()
    }

    #[test]
    fn a_dump_goes_in_as_ha1_with_or_without_a_line_of_names() {
        let expected = r#"{"username":"alice","ha1":{"MD5":"5f4dcc3b5aa765d61d8327deb882cf99"},"enabled":true}"#;
        let named = format!("id\tusername\tdomain\tpassword\tha1\tha1b\n1\talice\texample.org\t\t{HA1}\tx\n");
        assert_eq!(read(&named, false), [(2, expected.to_owned())]);
        assert_eq!(read(&format!("alice,example.org,{HA1}\n"), false), [(1, expected.to_owned())]);
    }

    #[test]
    fn a_row_of_another_realm_is_refused_with_its_line_and_the_reason() {
        let text = format!(
            "username,domain,ha1\nbob,other.example,{HA1}\ncarol,example.org,\ndave,example.org,xyz\n,example.org,{HA1}\n"
        );
        let refused = read(&text, false);
        assert_eq!(refused[0].0, 2);
        assert!(refused[0].1.contains("for the realm other.example") && refused[0].1.contains("realm is example.org"));
        assert_eq!(refused[1], (3, "it has no ha1".to_owned()));
        assert_eq!(refused[2], (4, "its ha1 is not 32 hexadecimal digits".to_owned()));
        assert_eq!(refused[3], (5, "it has no username".to_owned()));
        assert!(!format!("{refused:?}").to_ascii_lowercase().contains(&HA1.to_ascii_lowercase()));
    }

    #[test]
    fn passwords_do_not_depend_on_the_domain() {
        let text = "username,domain,password\nbob,other.example,\" long, secret\"\ncarol,x,\n";
        let rows = read(text, true);
        assert_eq!(rows[0], (2, r#"{"username":"bob","password":" long, secret","enabled":true}"#.to_owned()));
        assert_eq!(rows[1], (3, "it has no password".to_owned()));
    }

    #[test]
    fn a_file_without_the_column_is_refused_as_a_whole() {
        let taken = Taken { realm: String::new(), use_passwords: true, trunk_id: None };
        assert!(rows(io::Cursor::new(b"username,domain,ha1\n".to_vec()), taken).is_err());
    }
}
