//! To come.

use crate::config::Config;

/// Runs the server until it is told to stop.
///
/// # Errors
/// What keeps it from starting.
pub fn run(config: Config) -> anyhow::Result<()> {
    let _ = config;
    anyhow::bail!("the server is not wired up yet")
}
