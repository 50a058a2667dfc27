//! `?sort=` and `?search=` on lists.
//!
//! Without either, a list is newest first and a page of it is read alone. With one of them the whole list of the account is read and
//! arranged in memory, which is what it costs.

use std::borrow::Cow;

use crate::storage::{Page, Window};

use super::envelope::ListQuery;
use super::error::ApiError;

/// What a list can be sorted by, and is searched in.
pub(super) struct Field<R: 'static> {
    /// Its name in `?sort=`, the one that it has in answers.
    pub(super) name: &'static str,
    /// Its value.
    pub(super) of: for<'r> fn(&'r R) -> Sorted<'r>,
    /// Whether `?search=` looks into it.
    pub(super) is_searched: bool,
}

/// A value in its order.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sorted<'r> {
    Number(u64),
    Text(Cow<'r, str>),
}

/// What a client asked for.
pub(super) struct Arrangement<R: 'static> {
    fields: &'static [Field<R>],
    by: Option<&'static Field<R>>,
    is_descending: bool,
    /// In lower case.
    search: Option<String>,
}

impl ListQuery {
    /// `sort=name` or `sort=-name`, and `search=text`: case does not count.
    pub(super) fn arrangement<R>(&self, fields: &'static [Field<R>]) -> Result<Arrangement<R>, ApiError> {
        let (mut by, mut is_descending) = (None, false);
        if let Some(sort) = self.value("sort") {
            let name = sort.strip_prefix('-').unwrap_or(sort);
            is_descending = sort.starts_with('-');
            by = fields.iter().find(|field| field.name == name);
            if by.is_none() {
                let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
                let text = format!("sort must be one of {}, with - before it for descending order", names.join(", "));
                return Err(ApiError::bad_request(text));
            }
        }
        Ok(Arrangement {
            fields,
            by,
            is_descending,
            search: self.value("search").map(|text| text.trim().to_lowercase()),
        })
    }
}

impl<R> Arrangement<R> {
    /// The part of the list that is asked for; `read` reads a part of it newest first.
    pub(super) fn read<E>(
        &self,
        window: Window,
        read: impl FnOnce(Window) -> Result<Page<R>, E>,
    ) -> Result<Page<R>, E> {
        if self.by.is_none() && self.search.is_none() {
            return read(window);
        }
        let mut page = read(Window::ALL)?;
        if let Some(search) = &self.search {
            page.records.retain(|record| self.matches(record, search));
        }
        if let Some(field) = self.by {
            // Stable, so what is equal stays newest first.
            page.records.sort_by(|one, other| {
                let order = (field.of)(one).cmp(&(field.of)(other));
                if self.is_descending { order.reverse() } else { order }
            });
        }
        page.total = page.records.len();
        Ok(page.cut(window))
    }

    fn matches(&self, record: &R, search: &str) -> bool {
        self.fields.iter().filter(|field| field.is_searched).any(|field| match (field.of)(record) {
            Sorted::Text(text) => text.to_lowercase().contains(search),
            Sorted::Number(number) => number.to_string().contains(search),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row = (&'static str, u64);
    const FIELDS: &[Field<Row>] = &[
        Field { name: "name", of: |row| Sorted::Text(row.0.into()), is_searched: true },
        Field { name: "age", of: |row| Sorted::Number(row.1), is_searched: false },
    ];

    fn ask(query: &[(&str, &str)], window: Window) -> (usize, Vec<&'static str>) {
        let rows = [("Bob", 1), ("alice", 30), ("Carol", 4), ("alan", 4)];
        let arrangement = ListQuery::of(query).arrangement(FIELDS).unwrap();
        let page =
            arrangement.read::<()>(window, |window| Ok(Page { total: rows.len(), records: rows.to_vec() }.cut(window)));
        let page = page.unwrap();
        (page.total, page.records.iter().map(|row| row.0).collect())
    }

    #[test]
    fn a_list_is_sorted_and_searched_as_asked_and_cut_afterwards() {
        let all = Window::ALL;
        assert_eq!(ask(&[], all).1, ["Bob", "alice", "Carol", "alan"]);
        assert_eq!(ask(&[("sort", "name")], all).1, ["Bob", "Carol", "alan", "alice"]);
        assert_eq!(ask(&[("sort", "-age")], all).1, ["alice", "Carol", "alan", "Bob"]);
        assert_eq!(ask(&[("search", "AL")], all), (2, vec!["alice", "alan"]));
        assert_eq!(ask(&[("search", "4")], all), (0, vec![]));
        let second = Window { offset: 1, limit: 1 };
        assert_eq!(ask(&[("search", "al"), ("sort", "name")], second), (2, vec!["alice"]));
        assert_eq!(ask(&[], second), (4, vec!["alice"]));
    }

    #[test]
    fn an_unknown_field_is_refused_with_those_that_there_are() {
        let error = ListQuery::of(&[("sort", "password")]).arrangement(FIELDS).err().unwrap();
        assert!(error.text().contains("name, age"), "{}", error.text());
    }
}
