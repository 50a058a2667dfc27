//! A key of the configuration and how a value gets into it, the same for the file and for the environment.

use std::ops::RangeInclusive;

use super::Config;
use super::syntax::Refusal;

/// One key.
pub(super) struct Key {
    /// `[section]` in the file, the first part of the variable.
    pub(super) section: &'static str,
    /// The name in the file, the second part of the variable.
    pub(super) name: &'static str,
    /// What a good value looks like, for the message about a bad one.
    pub(super) expected: &'static str,
    /// Who may see the value and where it may stand.
    pub(super) exposure: Exposure,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Exposure {
    Open,
    /// May stand in the file, is never shown.
    Secret,
    /// Never shown, and refused in the file.
    EnvironmentOnly,
}

pub(super) enum Kind {
    Number {
        range: RangeInclusive<u64>,
        set: fn(&mut Config, u64),
        show: fn(&Config) -> u64,
    },
    Truth {
        set: fn(&mut Config, bool),
        show: fn(&Config) -> bool,
    },
    Text {
        set: fn(&mut Config, &str) -> Result<(), Refusal>,
        show: fn(&Config) -> String,
    },
    List {
        /// Fewest entries.
        at_least: usize,
        set: SetList,
        show: fn(&Config) -> Vec<String>,
    },
}

/// Sets a list; entries that are refused are returned with the reason.
type SetList = fn(&mut Config, &[String]) -> Vec<(String, Refusal)>;

/// A value as it was given, before its key has looked at it.
pub(super) enum Given {
    /// A whole number as it was written in decimal.
    Number(String),
    Text(String),
    Truth(bool),
    List(Vec<Given>),
    /// Something that no key takes, described.
    Other(String),
}

/// Why a value was not taken.
pub(super) struct Fault {
    pub(super) found: String,
    pub(super) expected: String,
    pub(super) hint: Option<String>,
}

impl Key {
    /// `[section] name`.
    pub(super) fn title(&self) -> String {
        format!("[{}] {}", self.section, self.name)
    }

    /// `SIPWARD_SECTION_NAME`.
    pub(super) fn variable(&self) -> String {
        format!("SIPWARD_{}_{}", self.section, self.name).to_ascii_uppercase()
    }

    /// What the key takes, in words.
    pub(super) fn expectation(&self) -> String {
        match &self.kind {
            Kind::Number { range, .. } => format!("{} from {} to {}", self.expected, range.start(), range.end()),
            Kind::Truth { .. } | Kind::Text { .. } | Kind::List { .. } => self.expected.to_owned(),
        }
    }

    /// Reads the text of an environment variable as a value of this key's kind.
    pub(super) fn given_in_variable(&self, text: &str) -> Given {
        match self.kind {
            Kind::Number { .. } if !text.trim().is_empty() && text.trim().bytes().all(|byte| byte.is_ascii_digit()) => {
                Given::Number(text.trim().to_owned())
            }
            Kind::Truth { .. } => text.trim().parse().map_or_else(|_| Given::Text(text.to_owned()), Given::Truth),
            Kind::Number { .. } | Kind::Text { .. } => Given::Text(text.to_owned()),
            Kind::List { .. } if text.trim().is_empty() => Given::List(Vec::new()),
            Kind::List { .. } => Given::List(text.split(',').map(|item| Given::Text(item.trim().to_owned())).collect()),
        }
    }

    /// Puts a value into `config`, or says everything that is wrong with it.
    pub(super) fn set(&self, config: &mut Config, given: &Given) -> Result<(), Vec<Fault>> {
        match (&self.kind, given) {
            (Kind::Number { range, set, .. }, Given::Number(digits)) => match digits.parse() {
                Ok(number) if range.contains(&number) => {
                    set(config, number);
                    Ok(())
                }
                Ok(_) | Err(_) => Err(vec![self.fault(digits.clone(), None)]),
            },
            (Kind::Truth { set, .. }, Given::Truth(truth)) => {
                set(config, *truth);
                Ok(())
            }
            (Kind::Text { set, .. }, Given::Text(text)) => {
                set(config, text).map_err(|Refusal(hint)| vec![self.fault(self.quoted(text), hint)])
            }
            (Kind::List { at_least, set, .. }, Given::List(items)) => self.set_list(config, items, *at_least, *set),
            (Kind::Number { .. }, Given::Text(text)) => {
                let hint = text.parse::<u64>().is_ok().then(|| "write it without quotes".to_owned());
                Err(vec![self.fault(self.described(given), hint)])
            }
            (Kind::Truth { .. }, Given::Text(text)) => {
                let hint = text.parse::<bool>().is_ok().then(|| "write it without quotes".to_owned());
                Err(vec![self.fault(self.described(given), hint)])
            }
            (Kind::Text { .. }, Given::Number(digits)) => {
                let hint = (self.exposure == Exposure::Open).then(|| format!("a text stands in quotes: \"{digits}\""));
                Err(vec![self.fault(self.described(given), hint)])
            }
            (Kind::List { .. }, Given::Text(text)) => {
                let hint = format!("a list stands in brackets: [{text:?}]");
                Err(vec![self.fault(self.described(given), Some(hint))])
            }
            (_, Given::Number(_) | Given::Truth(_) | Given::List(_) | Given::Other(_)) => {
                Err(vec![self.fault(self.described(given), None)])
            }
        }
    }

    fn set_list(&self, config: &mut Config, items: &[Given], at_least: usize, set: SetList) -> Result<(), Vec<Fault>> {
        let mut faults = Vec::new();
        let mut texts = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Given::Text(text) => texts.push(text.clone()),
                other => faults.push(self.fault(format!("an entry that is {}", self.described(other)), None)),
            }
        }
        if items.len() < at_least {
            faults.push(self.fault("an empty list".to_owned(), None));
        }
        let refused = set(config, &texts);
        faults.extend(refused.into_iter().map(|(text, Refusal(hint))| self.fault(self.quoted(&text), hint)));
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn fault(&self, found: String, hint: Option<String>) -> Fault {
        Fault { found, expected: self.expectation(), hint }
    }

    fn described(&self, given: &Given) -> String {
        match given {
            Given::Number(_) if self.exposure != Exposure::Open => "a number (not shown)".to_owned(),
            Given::Number(digits) => format!("the number {digits}"),
            Given::Text(text) => format!("the text {}", self.quoted(text)),
            Given::Truth(truth) => format!("the boolean {truth}"),
            Given::List(_) => "a list".to_owned(),
            Given::Other(description) => description.clone(),
        }
    }

    fn quoted(&self, text: &str) -> String {
        match self.exposure {
            Exposure::Open => format!("{text:?}"),
            Exposure::Secret | Exposure::EnvironmentOnly => {
                format!("a secret of {} characters (not shown)", text.chars().count())
            }
        }
    }

    /// The value as it would stand in the file; of a secret only whether there is one.
    pub(super) fn show(&self, config: &Config) -> String {
        match &self.kind {
            Kind::Number { show, .. } => show(config).to_string(),
            Kind::Truth { show, .. } => show(config).to_string(),
            Kind::Text { show, .. } => {
                let text = show(config);
                match self.exposure {
                    Exposure::Open => format!("{text:?}"),
                    _ if text.is_empty() => "\"\"".to_owned(),
                    Exposure::Secret | Exposure::EnvironmentOnly => "(set, not shown)".to_owned(),
                }
            }
            Kind::List { show, .. } => format!("{:?}", show(config)),
        }
    }
}
