//! Shares equal texts of answers.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;

/// The longest text of an answer that is kept, in bytes; longer ones are
/// truncated.
pub const MAX_ANSWER_TEXT_LEN: usize = 200;

/// The most different texts that are kept at once.
const MAX_COUNT: usize = 256;

/// Stands for a new text when [`MAX_COUNT`] other texts are in use.
const NOT_KEPT: &str = "(not kept)";

/// Shares equal texts, so that a million throttled user records do not hold a
/// million copies of one message.
#[derive(Debug, Default)]
pub(super) struct Texts {
    known: BTreeSet<Arc<str>>,
}

impl Texts {
    /// Returns the text, truncated to [`MAX_ANSWER_TEXT_LEN`] bytes and shared.
    pub(super) fn keep(&mut self, text: &str) -> Arc<str> {
        let text = cut(text);
        if let Some(known) = self.known.get(text) {
            return Arc::clone(known);
        }
        if self.known.len() >= MAX_COUNT {
            // Drops the texts that are no longer used elsewhere.
            self.known.retain(|known| Arc::strong_count(known) > 1);
        }
        if self.known.len() >= MAX_COUNT {
            return self.known.get(NOT_KEPT).map_or(NOT_KEPT.into(), Arc::clone);
        }
        let text: Arc<str> = text.into();
        self.known.insert(Arc::clone(&text));
        text
    }
}

/// Truncates a text at a character boundary.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(MAX_ANSWER_TEXT_LEN);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_shared_and_long_ones_are_cut_between_characters() {
        let mut texts = Texts::default();
        let (one, other) = (texts.keep("slow down"), texts.keep("slow down"));
        assert!(Arc::ptr_eq(&one, &other));
        let long = format!("{}ää", "x".repeat(MAX_ANSWER_TEXT_LEN - 3));
        assert_eq!(texts.keep(&long).len(), MAX_ANSWER_TEXT_LEN - 1);
    }

    #[test]
    fn only_so_many_different_texts_are_kept() {
        let mut texts = Texts::default();
        let held: Vec<_> = (0..10 * MAX_COUNT)
            .map(|n| texts.keep(&format!("request {n}")))
            .collect();
        assert_eq!(texts.known.len(), MAX_COUNT);
        assert_eq!(&*held[MAX_COUNT - 1], "request 255");
        assert_eq!(&*held[MAX_COUNT], NOT_KEPT);
        drop(held);
        assert_eq!(&*texts.keep("next"), "next");
        assert_eq!(texts.known.len(), 1);
    }
}
