//! The program `sipward`; all of it is in the library.

use std::process::ExitCode;

/// Wipes what is freed. The HTTP library reads requests, and so passwords, into buffers of its own that nobody else can wipe.
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<std::alloc::System> = zeroizing_alloc::ZeroAlloc(std::alloc::System);

fn main() -> ExitCode {
    sipward::cli::run()
}
