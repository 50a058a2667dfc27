//! Passwords and tokens on their way in: a prompt, standard input, or made here. Never the command line, which others can read.

#![allow(clippy::disallowed_methods, reason = "the command line is shell: it draws randomness")]

use std::io::{self, BufRead, IsTerminal, Read};

use clap::Args;
use zeroize::Zeroizing;

use crate::config::Secret;
use crate::first_run;

use super::failure::{Code, Failure};

/// Longest line that is read, in bytes.
const LONGEST: usize = 4096;

/// Where a password comes from.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Source {
    /// Read the password from the first line of standard input
    #[arg(long, conflicts_with = "generate")]
    pub(super) password_stdin: bool,
    /// Make a random password and print it; it is shown this once and never again
    #[arg(long)]
    pub(super) generate: bool,
}

/// A password, and whether the caller has still to be told it.
pub(super) struct Password {
    pub(super) secret: Secret,
    pub(super) made: bool,
}

impl Source {
    /// Whether a source was named, so that nobody has to be asked.
    pub(super) fn is_given(self) -> bool {
        self.password_stdin || self.generate
    }

    /// The password for `whom`: from where it was said, else asked for twice.
    pub(super) fn get(self, whom: &str) -> Result<Password, Failure> {
        if self.generate {
            let mut random = [0; 20];
            getrandom::fill(&mut random)
                .map_err(|error| Failure::new(Code::Failed, format!("the system gives no random bytes: {error}")))?;
            return Ok(Password { secret: first_run::random_password(&random), made: true });
        }
        let secret = if self.password_stdin { line_of_stdin("the password")? } else { prompt(whom)? };
        Ok(Password { secret, made: false })
    }
}

/// The first line of standard input.
pub(super) fn line_of_stdin(what: &str) -> Result<Secret, Failure> {
    // Reserved at once: growing would leave copies in freed memory.
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST));
    let limit = u64::try_from(LONGEST).unwrap_or(u64::MAX);
    io::stdin().lock().take(limit).read_until(b'\n', &mut line)?;
    while matches!(line.last(), Some(b'\n' | b'\r')) {
        line.pop();
    }
    match std::str::from_utf8(&line) {
        Ok("") => Err(Failure::usage(format!("{what} was to come from standard input, which is empty"))),
        Ok(text) => Ok(Secret::new(text.to_owned())),
        Err(_) => Err(Failure::usage(format!("{what} on standard input is not UTF-8 text"))),
    }
}

fn prompt(whom: &str) -> Result<Secret, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage("there is no terminal to ask for a password: use --password-stdin or --generate"));
    }
    let ask = |question: String| rpassword::prompt_password(question).map(Secret::new);
    let first = ask(format!("Password for {whom}: "))?;
    let second = ask("The same again: ".to_owned())?;
    if first.reveal() != second.reveal() {
        return Err(Failure::usage("the two passwords differ; nothing was changed"));
    }
    Ok(first)
}

/// Whether the person at the terminal agrees; `yes` is the answer given beforehand.
pub(super) fn agrees(question: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(format!("{question} Repeat the command with --yes")));
    }
    super::table::note(&format!("{question} Type yes to go on."));
    let mut answer = String::new();
    io::stdin().lock().take(16).read_line(&mut answer)?;
    if answer.trim() == "yes" { Ok(()) } else { Err(Failure::new(Code::Failed, "nothing was changed")) }
}
