//! The fields of a log line for people: `text name=value name="text"`.
//!
//! No value can end the line or colour the terminal, whichever module logs it: control characters are shown as `\xHH`. Text that
//! was [escaped](super::escape) before goes through unchanged, which the standard formatter would not do.

use std::fmt::{self, Debug, Display, Write};

use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

#[derive(Debug)]
pub(super) struct HumanFields;

impl<'writer> FormatFields<'writer> for HumanFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut line = Line { writer, empty: true, result: Ok(()) };
        fields.record(&mut line);
        line.result
    }
}

struct Line<'writer> {
    writer: Writer<'writer>,
    empty: bool,
    result: fmt::Result,
}

impl Line<'_> {
    fn write(&mut self, field: &Field, quote: &str, value: &dyn Display) {
        let name = field.name();
        // Where a line of another logging library came from; the formatter has used it already.
        if self.result.is_ok() && !name.starts_with("log.") {
            self.result = self.try_write(name, quote, value);
        }
    }

    fn try_write(&mut self, name: &str, quote: &str, value: &dyn Display) -> fmt::Result {
        if !std::mem::replace(&mut self.empty, false) {
            self.writer.write_char(' ')?;
        }
        let is_text = name == "message";
        if !is_text {
            write!(self.writer, "{}={quote}", name.trim_start_matches("r#"))?;
        }
        write!(Plain { writer: &mut self.writer, quoted: !quote.is_empty() }, "{value}")?;
        if is_text { Ok(()) } else { self.writer.write_str(quote) }
    }
}

impl Visit for Line<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        let quote = if field.name() == "message" { "" } else { "\"" };
        self.write(field, quote, &value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.write(field, "", &format_args!("{value:?}"));
    }
}

/// Passes text on with control characters and, inside quotation marks, quotation marks as `\xHH`.
struct Plain<'line, 'writer> {
    writer: &'line mut Writer<'writer>,
    quoted: bool,
}

impl Write for Plain<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if character.is_control() || (self.quoted && character == '"') {
                write!(self.writer, "\\x{:02x}", u32::from(character))?;
            } else {
                self.writer.write_char(character)?;
            }
        }
        Ok(())
    }
}
