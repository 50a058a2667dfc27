//! One run of one test: its folder of logs, printed when the test fails.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

/// How much of each log a failed test prints, from its end.
const PRINTED_BYTES: usize = 6000;

/// The folder `target/interop-logs/<test>/`. Make it first in a test: it is then dropped last, when all logs are written.
pub struct Trial {
    folder: PathBuf,
    logs: AtomicUsize,
}

impl Trial {
    /// Starts a test with an empty folder.
    pub fn new(test: &str) -> Self {
        let folder = target_folder().join("interop-logs").join(test);
        if folder.exists() {
            fs::remove_dir_all(&folder).expect("the logs of the last run can be removed");
        }
        fs::create_dir_all(&folder).expect("a folder for the logs can be made");
        Self { folder, logs: AtomicUsize::new(0) }
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A path for the next program's output; numbered, so that they list in the order of their start.
    pub fn log_path(&self, label: &str) -> PathBuf {
        let number = self.logs.fetch_add(1, Ordering::Relaxed);
        self.folder.join(format!("{number:02}-{label}.log"))
    }

    /// Writes a file into the folder and gives back where it is.
    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).expect("the test's folder can be written to");
        path
    }

    fn print_logs(&self) {
        let mut paths: Vec<_> = fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
        paths.sort();
        for path in paths.iter().filter(|path| path.extension().is_some_and(|e| e == "log" || e == "errors")) {
            let content = fs::read(path).unwrap_or_default();
            let tail = &content[content.len().saturating_sub(PRINTED_BYTES)..];
            eprintln!("---- the end of {} ----\n{}", path.display(), String::from_utf8_lossy(tail));
        }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.print_logs();
        }
    }
}

/// Cargo's target folder, wherever `CARGO_TARGET_DIR` put it.
pub fn target_folder() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the tmp folder is inside the target folder")
}
