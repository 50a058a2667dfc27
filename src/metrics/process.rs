//! What the operating system knows of this process, read at the scrape.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::gauge::ConstGauge;

use super::encode::plain;

/// Where there is no `/proc`, these numbers are left out rather than shown as zero.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        if let Some(bytes) = fs::read_to_string("/proc/self/status").ok().as_deref().and_then(resident_bytes) {
            let described = ("process_resident_memory_bytes", "Memory that the process occupies.");
            plain(&mut encoder, described, &ConstGauge::new(bytes))?;
        }
        if let Ok(entries) = fs::read_dir("/proc/self/fd") {
            // One of them is the folder that is being read.
            let open = u64::try_from(entries.count()).unwrap_or(u64::MAX).saturating_sub(1);
            let described = ("process_open_fds", "Open file descriptors of the process.");
            plain(&mut encoder, described, &ConstGauge::new(open))?;
        }
        Ok(())
    }
}

/// `VmRSS:     1234 kB` of `/proc/self/status`, in bytes.
fn resident_bytes(status: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resident_size_is_read_in_bytes_and_nothing_else_is_taken_for_it() {
        assert_eq!(resident_bytes("VmHWM:\t  9 kB\nVmRSS:\t   12 kB\n"), Some(12 * 1024));
        assert_eq!(resident_bytes("VmHWM:\t  9 kB\n"), None);
        assert_eq!(resident_bytes("VmRSS:\t18446744073709551615 kB\n"), None);
    }
}
