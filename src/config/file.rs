//! The configuration file: TOML, of which every section and key must be one of the table.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::draft::Draft;
use super::keys::KEYS;
use super::nearest::nearest;
use super::problem::{Place, Problem};
use super::value::{Exposure, Given, Key};

/// Takes everything that the file says into `draft`.
pub(super) fn read(file: &Path, draft: &mut Draft) {
    let unreadable = |reason: String| Problem::Unreadable { file: file.to_owned(), reason };
    let text = match std::fs::read(file).map(String::from_utf8) {
        Ok(Ok(text)) => text,
        Ok(Err(error)) => {
            let before = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
            let line = before.filter(|byte| **byte == b'\n').count() + 1;
            return draft.problems.push(unreadable(format!("line {line} is not UTF-8 text")));
        }
        Err(error) => return draft.problems.push(unreadable(format!("cannot be read: {error}"))),
    };
    let source = Source { file, text: &text };
    match DeTable::parse(&text) {
        Ok(table) => source.read_sections(table.get_ref(), draft),
        Err(error) => draft.problems.push(source.syntax(error.message(), error.span())),
    }
}

struct Source<'a> {
    file: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    fn read_sections(&self, root: &DeTable<'_>, draft: &mut Draft) {
        // The reader sorts by name; people read from top to bottom.
        let mut sections: Vec<_> = root.iter().collect();
        sections.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in sections {
            let section: &str = name.get_ref();
            let place = self.place(&name.span());
            let known = KEYS.iter().any(|key| key.section == section);
            match value.get_ref() {
                DeValue::Table(keys) if known => self.read_keys(section, keys, draft),
                DeValue::Table(_) => {
                    let hint = nearest(section, KEYS.iter().map(|key| key.section));
                    let hint = hint.map(|meant| format!("did you mean [{meant}]?"));
                    draft.problems.push(Problem::UnknownSection { place, section: section.to_owned(), hint });
                }
                other => draft.problems.push(Problem::BadValue {
                    place,
                    key: section.to_owned(),
                    found: format!("{} outside of any section", with_article(other.type_str())),
                    expected: "sections such as [sip], and keys below them".to_owned(),
                    hint: elsewhere(section),
                }),
            }
        }
    }

    fn read_keys(&self, section: &str, keys: &DeTable<'_>, draft: &mut Draft) {
        let mut keys: Vec<_> = keys.iter().collect();
        keys.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in keys {
            let place = self.place(&name.span());
            match KEYS.iter().find(|key| key.section == section && key.name == name.get_ref()) {
                Some(key) => self.read_key(key, place, value, draft),
                None => {
                    let hint = hint_for(section, name.get_ref());
                    let key = format!("[{section}] {}", name.get_ref());
                    draft.problems.push(Problem::UnknownKey { place, key, hint });
                }
            }
        }
    }

    fn read_key(&self, key: &'static Key, place: Place, value: &Spanned<DeValue<'_>>, draft: &mut Draft) {
        if key.exposure == Exposure::EnvironmentOnly {
            let (key, variable) = (key.title(), key.variable());
            return draft.problems.push(Problem::EnvironmentOnly { place, key, variable });
        }
        draft.set(key, place, &given(value.get_ref()));
    }

    fn place(&self, span: &Range<usize>) -> Place {
        Place::File { file: self.file.to_owned(), line: self.position(span.start).0 }
    }

    fn syntax(&self, message: &str, span: Option<Range<usize>>) -> Problem {
        let (line, column) = self.position(span.map_or(self.text.len(), |span| span.start));
        Problem::Syntax { file: self.file.to_owned(), line, column, message: message.to_owned() }
    }

    /// Line and column, from 1, of the byte at `offset`.
    fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        (line, column)
    }
}

/// What somebody may have meant by an unknown key: a near name in its section, the same name in another, or a near one.
fn hint_for(section: &str, name: &str) -> Option<String> {
    let in_section = KEYS.iter().filter(|key| key.section == section).map(|key| key.name);
    nearest(name, in_section).map(|meant| format!("did you mean {meant}?")).or_else(|| elsewhere(name))
}

fn elsewhere(name: &str) -> Option<String> {
    let meant = nearest(name, KEYS.iter().map(|key| key.name))?;
    let titles: Vec<String> = KEYS.iter().filter(|key| key.name == meant).map(Key::title).collect();
    Some(format!("did you mean {}?", titles.join(" or ")))
}

fn given(value: &DeValue<'_>) -> Given {
    match value {
        DeValue::String(text) => Given::Text(text.clone().into_owned()),
        DeValue::Integer(number) => Given::Number(decimal(number)),
        DeValue::Array(items) => Given::List(items.iter().map(|item| given(item.get_ref())).collect()),
        DeValue::Boolean(truth) => Given::Truth(*truth),
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => Given::Other(with_article(value.type_str())),
    }
}

/// TOML also writes numbers as `0xff`; what is too large stays as it was written.
fn decimal(number: &DeInteger<'_>) -> String {
    let parsed = i128::from_str_radix(number.as_str(), number.radix());
    parsed.map_or_else(|_| number.as_str().to_owned(), |number| number.to_string())
}

fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {noun}")
}
