//! Tracks which flushes have completed.

use alloc::collections::VecDeque;

use tokio::sync::oneshot;

/// Counts the user records before each flush that have not ended.
#[derive(Debug, Default)]
pub(super) struct Epochs {
    /// The number of the first epoch of `held`.
    first: u64,
    /// User records of each epoch that have not ended. A flush ends an epoch.
    held: VecDeque<u64>,
    /// The callers that wait for each epoch except the last.
    flushes: VecDeque<oneshot::Sender<()>>,
}

impl Epochs {
    /// Counts a user record and returns its epoch.
    pub(super) fn add(&mut self) -> u64 {
        match self.held.back_mut() {
            Some(held) => *held = held.saturating_add(1),
            None => self.held.push_back(1),
        }
        let later = u64::try_from(self.held.len()).unwrap_or(u64::MAX);
        self.first.saturating_add(later).saturating_sub(1)
    }

    /// Counts the end of a user record.
    pub(super) fn end(&mut self, epoch: u64) {
        let place = usize::try_from(epoch.saturating_sub(self.first));
        let held = place.ok().and_then(|place| self.held.get_mut(place));
        if let Some(held) = held {
            *held = held.saturating_sub(1);
        }
    }

    /// Starts a new epoch. A message is sent to `ended` when all user records of
    /// earlier epochs have ended.
    pub(super) fn flush(&mut self, ended: oneshot::Sender<()>) {
        if self.held.is_empty() {
            self.held.push_back(0);
        }
        self.flushes.push_back(ended);
        self.held.push_back(0);
    }

    /// Notifies callers whose flush has completed.
    pub(super) fn tell(&mut self) {
        while self.held.front() == Some(&0)
            && let Some(ended) = self.flushes.pop_front()
        {
            // A caller that stopped waiting has dropped the receiver.
            let _is_awaited = ended.send(());
            self.held.pop_front();
            self.first = self.first.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flush_ends_with_the_puts_before_it_and_ignores_later_ones() {
        let mut epochs = Epochs::default();
        let flush = |epochs: &mut Epochs| {
            let (ended, end) = oneshot::channel();
            epochs.flush(ended);
            end
        };
        let mut empty = flush(&mut epochs);
        epochs.tell();
        empty.try_recv().unwrap();
        let (one, two) = (epochs.add(), epochs.add());
        let mut first = flush(&mut epochs);
        let later = epochs.add();
        let mut second = flush(&mut epochs);
        let last = epochs.add();
        epochs.end(later);
        epochs.end(two);
        epochs.tell();
        first.try_recv().unwrap_err();
        epochs.end(one);
        epochs.tell();
        first.try_recv().unwrap();
        second.try_recv().unwrap();
        epochs.end(last);
        epochs.tell();
        assert!(epochs.held.iter().eq(&[0]));
    }
}
