//! The program `sipward`; all of it is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    sipward::cli::run()
}
