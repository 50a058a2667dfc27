//! Users for the server, and the same users for SIPp.

use crate::support::trial::Trial;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The user number `n` of a seed.
pub fn user(n: usize) -> String {
    format!("u{n}")
}

/// The password of `user`; each has another one.
pub fn password(user: &str) -> String {
    format!("secret-of-{user}")
}

/// Writes `username,password` rows for `--seed`.
pub fn write_seed(trial: &Trial, users: impl IntoIterator<Item = String>) -> PathBuf {
    let mut rows = String::from("username,password\n");
    for user in users {
        writeln!(rows, "{user},{}", password(&user)).unwrap();
    }
    trial.write("seed.csv", &rows)
}

/// Writes SIPp's `-inf` file: user, authentication keyword and contact of each user.
pub fn write_inf<'a>(trial: &Trial, name: &str, users: impl IntoIterator<Item = (&'a str, SocketAddr)>) -> PathBuf {
    let mut rows = String::from("SEQUENTIAL\n");
    for (user, contact) in users {
        writeln!(rows, "{user};[authentication username={user} password={}];{contact}", password(user)).unwrap();
    }
    trial.write(name, &rows)
}
