//! sipward among other people's programs: SIPp, sipsak, baresip and pjsua2 register with the server's binary and call
//! through it, and what it was told outlasts its end.
//!
//! Each test starts a server of its own with a store of its own. A missing program fails the test and names its
//! package: `.ci/test` installs them all. What the programs printed is in `target/interop-logs/<test>/`.
//!
//! | variable | meaning |
//! |---|---|
//! | `SIPWARD_TEST_BINARY` | the server to test instead of the one that cargo built beside the tests |
//! | `SIPWARD_TEST_PYTHON` | a Python that has pjsua2, instead of `target/interop-venv/bin/python` |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its support code too"
)]
#![allow(clippy::disallowed_methods, reason = "these tests are a shell: they wait for programs and read the clock")]
#![allow(clippy::print_stderr, reason = "the logs of a failed test are printed")]
#![allow(unreachable_pub, reason = "a test crate has no outside")]

mod lifecycle;
mod restart;
mod sipp;
mod sipsak;
mod softphones;
mod support;
