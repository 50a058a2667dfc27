//! Which known name somebody meant who wrote an unknown one.

/// The candidate with the fewest edits from `name`, if it is near enough to be what was meant.
pub(super) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).max(2);
    candidates
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(edits, _)| *edits <= limit)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance: insertions, deletions and replacements, ignoring case.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.to_ascii_lowercase().chars().collect();
    let mut previous: Vec<usize> = (0..=right.len()).collect();
    for (row, a) in left.to_ascii_lowercase().chars().enumerate() {
        let mut current = vec![row + 1];
        for ((b, up), diagonal) in right.iter().zip(previous.iter().skip(1)).zip(&previous) {
            let beside = current.last().copied().unwrap_or_default();
            current.push((diagonal + usize::from(a != *b)).min(up + 1).min(beside + 1));
        }
        previous = current;
    }
    previous.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_textbook() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("Listen", "listen"), 0);
    }

    #[test]
    fn a_slip_finds_its_word_and_another_word_finds_nothing() {
        let known = ["listen", "domain", "aliases"];
        assert_eq!(nearest("listn", known.into_iter()), Some("listen"));
        assert_eq!(nearest("domian", known.into_iter()), Some("domain"));
        assert_eq!(nearest("colour", known.into_iter()), None);
    }
}
