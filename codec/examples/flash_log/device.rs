//! The part that belongs in firmware: `core`, the codec and flash that is an `embedded_storage`
//! device.
//!
//! ```text
//! a sector   | number | blob ...                    | seal | done |
//!            0        8                        SECTOR-16       SECTOR
//! ```
//!
//! A sector holds one aggregate and three words of eight bytes. Each word is programmed once,
//! from the erased state, so no change of state needs an erasure:
//!
//! | Word | Programmed | Before that, a reset leaves |
//! |---|---|---|
//! | number, and its complement | when the aggregate is started | a free sector |
//! | seal: the blob's length, and its complement | after the blob's last byte | an aggregate that is lost |
//! | done: zeros | when the other side has the blob | an aggregate that is sent (again) |
//!
//! Wear: sectors are used in turn, and each is erased once for each aggregate that it holds,
//! right before that. 16 sectors of 4 KiB that endure 10,000 erasures, with an aggregate an
//! hour, last 18 years.

use embedded_storage::nor_flash::NorFlash;
use kinesis_agg_codec::{
    ByteSink, Limits, PartitionKeyIndex, RecordTags, StreamError, StreamWriter,
};

/// The partition key of all readings, and of the Kinesis records.
pub(crate) const KEY: &str = "device-42";

/// Bytes of a word, which every `WRITE_SIZE` has to divide.
const WORD: usize = 8;
const ERASED: [u8; WORD] = [0xff; WORD];

/// Why a reading was not stored, or an aggregate not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault<E> {
    /// The flash failed with its own error.
    Flash(E),
    /// Every sector holds an aggregate that has not been sent. Nothing is
    /// overwritten: send, then push again.
    FlashFull,
    /// A reading is longer than a sector, or flash and sectors do not match.
    Unfit,
    /// The link did not accept the blob, which is kept.
    LinkDown,
}

/// What was found after a reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Aggregates that wait to be sent.
    pub(crate) sealed: u32,
    /// Aggregates that were being written. Their readings are lost.
    pub(crate) lost: u32,
}

/// The link to the stream.
pub(crate) trait Link {
    /// Starts a blob of `len` bytes. What was sent of an earlier one is dropped.
    fn start(&mut self, partition_key: &str, len: usize) -> Option<()>;
    fn send(&mut self, bytes: &[u8]) -> Option<()>;
    /// Returns once the receiver has the whole blob.
    fn finish(&mut self) -> Option<()>;
}

/// Aggregates in the sectors of a flash.
pub(crate) struct FlashLog<F> {
    writer: StreamWriter<Sector<F>>,
    /// The key of the aggregate that is being written.
    key: Option<PartitionKeyIndex>,
    /// The number of the next aggregate.
    number: u32,
}

impl<F: NorFlash> FlashLog<F> {
    const SECTOR: usize = F::ERASE_SIZE;
    const SEAL: usize = Self::SECTOR - 2 * WORD;
    const DONE: usize = Self::SECTOR - WORD;
    const FITS: () =
        assert!(WORD.is_multiple_of(F::WRITE_SIZE) && WORD.is_multiple_of(F::READ_SIZE));

    /// Looks at every sector. Must be called after each reset.
    pub(crate) fn open(flash: F) -> Result<(Self, Found), Fault<F::Error>> {
        let () = Self::FITS;
        let max_blob = Self::SEAL.saturating_sub(WORD);
        let max_size = u32::try_from(max_blob.saturating_add(KEY.len())).ok();
        let limits = max_size.and_then(|size| Limits::new().with_max_size(size).ok());
        let sector = Sector::new(flash);
        let mut log = Self {
            writer: StreamWriter::new(sector).with_limits(limits.ok_or(Fault::Unfit)?),
            key: None,
            number: 0,
        };
        let mut found = Found::default();
        let mut last = None;
        for sector in 0..log.sector_count() {
            let Some(number) = log.pair(sector, 0)? else {
                // Erased, or a reset interrupted erasing or numbering it.
                continue;
            };
            last = last.max(Some(number));
            if log.word(sector, Self::DONE)? != ERASED {
                continue;
            }
            if log.pair(sector, Self::SEAL)?.is_some() {
                found.sealed = found.sealed.saturating_add(1);
            } else {
                found.lost = found.lost.saturating_add(1);
                // Marked as done, so that the loss is reported only once.
                log.program(sector, Self::DONE, [0; WORD])?;
            }
        }
        log.number = last.map_or(0, |number| number.wrapping_add(1));
        Ok((log, found))
    }

    /// Stores a reading. It is safe from a reset once its aggregate is sealed.
    pub(crate) fn push(&mut self, data: &[u8]) -> Result<(), Fault<F::Error>> {
        let none = RecordTags::default();
        // A full aggregate is sealed, and an empty one rejects what never fits.
        for _ in 0..2 {
            let key = match self.key {
                Some(key) => key,
                None => self.start()?,
            };
            match self.writer.push(key, None, data, none) {
                Err(StreamError::Rejected(error)) if error.is_full() => self.seal()?,
                pushed => return pushed.map_err(fault),
            }
        }
        Err(Fault::Unfit)
    }

    /// Erases the next sector and starts an aggregate in it.
    fn start(&mut self) -> Result<PartitionKeyIndex, Fault<F::Error>> {
        let sector = self.sector_of(self.number);
        let is_sealed = self.pair(sector, 0)?.is_some() && self.pair(sector, Self::SEAL)?.is_some();
        if is_sealed && self.word(sector, Self::DONE)? == ERASED {
            return Err(Fault::FlashFull);
        }
        let start = offset(sector, Self::SECTOR, 0);
        let flash = self.flash();
        let end = start.saturating_add(u32::try_from(Self::SECTOR).unwrap_or(u32::MAX));
        flash.erase(start, end).map_err(Fault::Flash)?;
        self.program(sector, 0, pair(self.number))?;
        self.number = self.number.wrapping_add(1);
        // The writer may be poisoned by an aggregate that the flash failed to store.
        self.writer.clear();
        self.writer
            .sink_mut()
            .start_at(offset(sector, Self::SECTOR, WORD));
        let key = self
            .writer
            .add_partition_key(KEY.as_bytes())
            .map_err(fault)?;
        self.key = Some(key);
        Ok(key)
    }

    /// Seals the aggregate that is being written, if there is one.
    pub(crate) fn seal(&mut self) -> Result<(), Fault<F::Error>> {
        if self.key.take().is_none() || self.writer.record_count() == 0 {
            return Ok(());
        }
        let streamed = self.writer.finish().map_err(fault)?;
        self.writer.sink_mut().pad().map_err(Fault::Flash)?;
        let sector = self.sector_of(self.number.wrapping_sub(1));
        self.program(sector, Self::SEAL, pair(streamed.encoded_len()))
    }

    /// Sends the oldest aggregate that is sealed. Returns false if there is none.
    ///
    /// A reset between the answer and the last word sends it again: consumers
    /// of Kinesis have to expect that.
    pub(crate) fn send_oldest(&mut self, link: &mut impl Link) -> Result<bool, Fault<F::Error>> {
        let count = self.sector_count();
        let oldest = self.number.saturating_sub(count);
        for number in oldest..self.number {
            let sector = self.sector_of(number);
            let (at, seal) = (self.pair(sector, 0)?, self.pair(sector, Self::SEAL)?);
            let (Some(len), true) = (seal, at == Some(number)) else {
                continue;
            };
            if self.word(sector, Self::DONE)? == ERASED {
                self.send(sector, len, link)?;
                self.program(sector, Self::DONE, [0; WORD])?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn send(&mut self, sector: u32, len: u32, link: &mut impl Link) -> Result<(), Fault<F::Error>> {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        link.start(KEY, len).ok_or(Fault::LinkDown)?;
        let mut rest = len;
        let mut at = WORD;
        while rest > 0 {
            let word = self.word(sector, at)?;
            let bytes = word.get(..rest).unwrap_or(&word);
            link.send(bytes).ok_or(Fault::LinkDown)?;
            rest = rest.saturating_sub(bytes.len());
            at = at.saturating_add(WORD);
        }
        link.finish().ok_or(Fault::LinkDown)
    }

    pub(crate) fn into_flash(self) -> F {
        self.writer.into_sink().flash
    }

    fn flash(&mut self) -> &mut F {
        &mut self.writer.sink_mut().flash
    }

    fn sector_count(&mut self) -> u32 {
        let count = self.flash().capacity().checked_div(Self::SECTOR);
        u32::try_from(count.unwrap_or(0)).unwrap_or(u32::MAX)
    }

    fn sector_of(&mut self, number: u32) -> u32 {
        number.checked_rem(self.sector_count()).unwrap_or(0)
    }

    fn word(&mut self, sector: u32, at: usize) -> Result<[u8; WORD], Fault<F::Error>> {
        let mut word = [0; WORD];
        let at = offset(sector, Self::SECTOR, at);
        self.flash().read(at, &mut word).map_err(Fault::Flash)?;
        Ok(word)
    }

    fn program(&mut self, sector: u32, at: usize, word: [u8; WORD]) -> Result<(), Fault<F::Error>> {
        let at = offset(sector, Self::SECTOR, at);
        self.flash().write(at, &word).map_err(Fault::Flash)
    }

    /// Returns the number in a word that [`pair`] made; `None` if the word is erased or
    /// incomplete.
    fn pair(&mut self, sector: u32, at: usize) -> Result<Option<u32>, Fault<F::Error>> {
        let word = self.word(sector, at)?;
        let number = word.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
        Ok(number.filter(|number| pair(*number) == word))
    }
}

/// Returns a number and its complement: a word that is only half programmed does not match.
fn pair(number: u32) -> [u8; WORD] {
    let [a, b, c, d] = number.to_le_bytes();
    [a, b, c, d, !a, !b, !c, !d]
}

/// Returns the offset in the flash of a byte in a sector.
fn offset(sector: u32, sector_len: usize, at: usize) -> u32 {
    let start = usize::try_from(sector).map_or(usize::MAX, |n| n.saturating_mul(sector_len));
    u32::try_from(start.saturating_add(at)).unwrap_or(u32::MAX)
}

fn fault<E>(error: StreamError<E>) -> Fault<E> {
    match error {
        StreamError::Sink(error) => Fault::Flash(error),
        _ => Fault::Unfit,
    }
}

/// Programs whole words, one after the other.
struct Sector<F> {
    flash: F,
    /// The offset of the next word.
    at: u32,
    word: [u8; WORD],
    filled: usize,
}

impl<F: NorFlash> Sector<F> {
    fn new(flash: F) -> Self {
        Self {
            flash,
            at: 0,
            word: ERASED,
            filled: 0,
        }
    }

    fn start_at(&mut self, at: u32) {
        self.at = at;
        self.word = ERASED;
        self.filled = 0;
    }

    /// Pads the last word and programs it.
    fn pad(&mut self) -> Result<(), F::Error> {
        if self.filled == 0 {
            return Ok(());
        }
        self.flash.write(self.at, &self.word)?;
        let next = self
            .at
            .saturating_add(u32::try_from(WORD).unwrap_or(u32::MAX));
        self.start_at(next);
        Ok(())
    }
}

impl<F: NorFlash> ByteSink for Sector<F> {
    type Error = F::Error;

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), F::Error> {
        for &byte in bytes {
            if let Some(place) = self.word.get_mut(self.filled) {
                *place = byte;
                self.filled = self.filled.saturating_add(1);
            }
            if self.filled == WORD {
                self.pad()?;
            }
        }
        Ok(())
    }
}
