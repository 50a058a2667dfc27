//! On whose behalf the store is changed.
//!
//! Whoever acts for somebody says so around the call, as with the spans of a log: what is called in between, on the same thread,
//! need not hand it on.

use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::Arc;

/// Who asks for a change, and where from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Author {
    /// An account's `auth_id`, `operator`, or `server` for what the server does of its own.
    pub actor: Arc<str>,
    /// The client's address.
    pub peer: Option<IpAddr>,
    /// The id of the request.
    pub request_id: Arc<str>,
}

impl Default for Author {
    /// The server itself.
    fn default() -> Self {
        Self { actor: "server".into(), peer: None, request_id: "".into() }
    }
}

thread_local! {
    static ACTING: RefCell<Option<Author>> = const { RefCell::new(None) };
}

impl Author {
    /// Does `work`; the changes that it commits are told of as this author's.
    pub fn acting<T>(self, work: impl FnOnce() -> T) -> T {
        struct Restore(Option<Author>);
        impl Drop for Restore {
            fn drop(&mut self) {
                ACTING.set(self.0.take());
            }
        }
        let _restore = Restore(ACTING.replace(Some(self)));
        work()
    }

    /// Whoever this thread is acting for.
    pub fn current() -> Self {
        ACTING.with_borrow(|acting| acting.clone().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn author(name: &str) -> Author {
        Author { actor: name.into(), ..Author::default() }
    }

    #[test]
    fn a_thread_acts_for_one_author_at_a_time_and_then_for_the_one_before() {
        let names = author("a").acting(|| {
            let inner = author("b").acting(|| Author::current().actor);
            (inner, Author::current().actor)
        });
        assert_eq!((&*names.0, &*names.1, &*Author::current().actor), ("b", "a", "server"));
        let panicked = std::panic::catch_unwind(|| author("c").acting(|| panic!("on purpose")));
        assert!(panicked.is_err() && *Author::current().actor == *"server");
    }
}
