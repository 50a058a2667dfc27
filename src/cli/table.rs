//! What people see: aligned columns cut to the width of the terminal, and one object as lines.

use std::io::{self, IsTerminal, Write};

use serde_json::Value;

/// A column: its title, and what it shows of an object.
pub(super) struct Column(pub(super) &'static str, pub(super) fn(&Value) -> String);

/// A column that shows the value of a key.
macro_rules! column {
    ($title:literal, $key:literal) => {
        $crate::cli::table::Column($title, |object| {
            object.get($key).map(|value| $crate::cli::table::plain(value)).unwrap_or_default()
        })
    };
}
pub(super) use column;

/// Two blanks between columns.
const GAP: usize = 2;

/// Narrowest that a column is cut to, in characters.
const NARROWEST: usize = 6;

/// The table of `objects`, a line each, below a line of titles. `width` is that of the terminal in characters.
pub(super) fn table(columns: &[Column], objects: &[Value], width: Option<usize>) -> String {
    let titles = columns.iter().map(|column| column.0.to_owned()).collect::<Vec<_>>();
    let cells = objects.iter().map(|object| columns.iter().map(|column| (column.1)(object)).collect::<Vec<_>>());
    let rows: Vec<Vec<String>> = std::iter::once(titles).chain(cells).collect();
    let mut widths = vec![0; columns.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    if let Some(width) = width {
        shrink(&mut widths, width);
    }
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{:width$}  ", cut(cell, *width)));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Takes from the widest until all fit.
fn shrink(widths: &mut [usize], available: usize) {
    let gaps = GAP * widths.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > available {
        match widths.iter_mut().max() {
            Some(widest) if *widest > NARROWEST => *widest -= 1,
            _ => break,
        }
    }
}

fn cut(cell: &str, width: usize) -> String {
    if cell.chars().count() <= width {
        return cell.to_owned();
    }
    cell.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// An object as lines of key and value.
pub(super) fn lines(object: &Value) -> String {
    let Value::Object(fields) = object else { return format!("{}\n", plain(object)) };
    let width = fields.keys().map(String::len).max().unwrap_or(0);
    fields.iter().map(|(key, value)| format!("{}\n", format!("{key:width$}  {}", plain(value)).trim_end())).collect()
}

/// A value as text. Control characters are escaped: names and user agents are other people's, and a terminal obeys.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => escape(text),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        other => escape(&other.to_string()),
    }
}

fn escape(text: &str) -> String {
    let is_odd = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if is_odd(c) {
            out.extend(c.escape_default())
        } else {
            out.push(c)
        }
        out
    })
}

/// The width of the terminal, if standard output is one.
pub(super) fn terminal_width() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))
}

/// Writes to standard output. A reader that has gone away (`sipward check | head -1`) has seen what it wanted.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

/// Writes a line for people to standard error; where that fails there is nobody left to tell.
pub(super) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COLUMNS: &[Column] = &[column!("NAME", "name"), column!("ON", "on"), column!("ABOUT", "about")];

    #[test]
    fn columns_are_aligned_and_wide_ones_cut_to_the_terminal() {
        let objects = [
            json!({"name": "a", "on": true, "about": "short"}),
            json!({"name": "longer", "on": false, "about": "a text that goes on for very long"}),
        ];
        let expected = "NAME    ON   ABOUT\na       yes  short\nlonger  no   a text that goes on for very long\n";
        assert_eq!(table(COLUMNS, &objects, None), expected);
        let narrow = table(COLUMNS, &objects, Some(30));
        assert_eq!(narrow, "NAME    ON   ABOUT\na       yes  short\nlonger  no   a text that goes…\n");
        assert!(table(COLUMNS, &objects, Some(1)).lines().all(|line| line.chars().count() <= 6 + 3 + 6 + 4));
    }

    #[test]
    fn nothing_that_a_terminal_would_obey_comes_through() {
        let text = plain(&json!("a\u{1b}[2J\nb\u{202e}"));
        assert_eq!(text, "a\\u{1b}[2J\\nb\\u{202e}");
    }

    #[test]
    fn one_object_is_shown_as_lines() {
        assert_eq!(lines(&json!({"id": 1, "list": ["a", "b"], "none": null})), "id    1\nlist  a,b\nnone\n");
    }
}
