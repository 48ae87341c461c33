//! Progress of a long run, printed on standard error if that is a terminal.

use alloc::sync::Arc;
use core::time::Duration;
use std::fs;
use std::io::{self, IsTerminal as _, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

/// Shorter runs show no progress bar.
const LONG: Duration = Duration::from_secs(1);

const OF_A_TOTAL: &str = "{wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
const OF_NO_TOTAL: &str = "{spinner} {bytes}, {bytes_per_sec}";

/// How many bytes were read, and of how many if that is known.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    started: Instant,
    /// Where to draw the bar; `None` once it is drawn.
    later: Arc<Mutex<Option<ProgressDrawTarget>>>,
}

impl Progress {
    /// For a run that prints as it reads: drawn only if the output is not a terminal.
    pub(crate) fn beside_output(files: &[PathBuf]) -> Self {
        match io::stdout().is_terminal() {
            true => Self::new(None, ProgressDrawTarget::hidden()),
            false => Self::before_output(files),
        }
    }

    /// For a run that prints after reading, or within [`aside`](Self::aside).
    pub(crate) fn before_output(files: &[PathBuf]) -> Self {
        // Draws nothing if standard error is not a terminal.
        Self::new(total_len(files), ProgressDrawTarget::stderr())
    }

    fn new(total: Option<u64>, target: ProgressDrawTarget) -> Self {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        let template = match total {
            Some(_) => OF_A_TOTAL,
            None => OF_NO_TOTAL,
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self {
            bar: bar.with_finish(ProgressFinish::AndClear),
            started: Instant::now(),
            later: Arc::new(Mutex::new(Some(target))),
        }
    }

    /// Counts `bytes` more that were read by `now`.
    fn advance(&self, bytes: usize, now: Instant) {
        self.bar.inc(crate::render::text::wide(bytes));
        if now.saturating_duration_since(self.started) >= LONG
            && let Ok(mut later) = self.later.lock()
            && let Some(target) = later.take()
        {
            self.bar.set_draw_target(target);
            self.bar.tick();
        }
    }

    /// Hides the bar while `print` runs.
    pub(crate) fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    /// Removes the bar.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// Wraps the reader to count its bytes.
    pub(crate) fn of_reader<R: Read>(&self, reader: R) -> impl Read + use<R> {
        Counted {
            reader,
            progress: self.clone(),
        }
    }
}

struct Counted<R> {
    reader: R,
    progress: Progress,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.reader.read(buffer)?;
        self.progress.advance(len, Instant::now());
        Ok(len)
    }
}

/// Returns the length of all files together, if each is a regular file.
fn total_len(files: &[PathBuf]) -> Option<u64> {
    let len = |path: &Path| {
        let metadata = fs::metadata(path).ok()?;
        metadata.is_file().then_some(metadata.len())
    };
    if files.is_empty() {
        return None;
    }
    files.iter().map(|path| len(path)).sum()
}

#[cfg(test)]
mod tests {
    use indicatif::InMemoryTerm;

    use super::*;

    #[test]
    fn only_a_long_run_shows_how_far_it_is() {
        for (total, shown) in [(Some(4000), "1000 B of"), (None, "1000 B, ")] {
            let term = InMemoryTerm::new(4, 80);
            let target = ProgressDrawTarget::term_like(Box::new(term.clone()));
            let progress = Progress::new(total, target);
            progress.advance(500, progress.started + LONG / 2);
            assert_eq!(term.contents(), "");
            progress.advance(500, progress.started + LONG);
            assert!(term.contents().contains(shown), "{}", term.contents());
            progress.clear();
            assert_eq!(term.contents(), "");
        }
    }
}
