//! Rules for texts that several resources have.

use super::error::Error;

const MAX_DESCRIPTION: usize = 500;
const MAX_NAME: usize = 255;
const MAX_USERNAME: usize = 64;

/// Refuses what is longer than `most` characters or holds a control character other than a line break or a tab.
pub(super) fn text(field: &'static str, text: &str, most: usize) -> Result<(), Error> {
    if text.chars().count() > most {
        return Err(Error::invalid(field, format!("{field} must have at most {most} characters")));
    }
    if text.chars().any(|char| char.is_control() && !matches!(char, '\n' | '\r' | '\t')) {
        return Err(Error::invalid(field, format!("{field} must not hold control characters")));
    }
    Ok(())
}

pub(super) fn description(value: &str) -> Result<(), Error> {
    text("description", value, MAX_DESCRIPTION)
}

/// What people call a trunk.
pub(super) fn name(value: &str) -> Result<(), Error> {
    if value.trim().is_empty() {
        return Err(Error::invalid("name", "name is required"));
    }
    text("name", value, MAX_NAME)
}

/// Product §1: what a phone can be called.
pub(super) fn username(field: &'static str, value: &str) -> Result<(), Error> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.+-".contains(&byte);
    if value.is_empty() || value.len() > MAX_USERNAME || !value.bytes().all(fits) {
        return Err(Error::invalid(
            field,
            format!("{field} must be 1 to {MAX_USERNAME} characters of A-Z a-z 0-9 _ . + -"),
        ));
    }
    Ok(())
}
