//! Small fields at the start of a record, written at once.

/// Fields with small numbers, composed in a register, to be stored at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    /// The first byte is the lowest; zeros behind the last.
    bytes: u128,
    len: u32,
}

impl Head {
    pub(crate) const EMPTY: Self = Self { bytes: 0, len: 0 };

    /// Adds a tag of one byte and a number of up to three, of which there may be
    /// four; `None` for larger numbers.
    #[inline(always)]
    pub(crate) fn with(self, tag: u32, number: u32) -> Option<Self> {
        let low = number & 0x7f;
        let middle = (number & 0x7f << 7) << 1;
        let high = (number & 0x7f << 14) << 2;
        let (varint, len) = match number {
            ..0x80 => (low, 1_u32),
            0x80..0x4000 => (low | middle | 0x80, 2),
            0x4000..0x20_0000 => (low | middle | high | 0x8080, 3),
            _ => return None,
        };
        let field = Self {
            bytes: u128::from(tag | varint << 8),
            len: len.wrapping_add(1),
        };
        Some(self.then(field))
    }

    /// Adds what goes behind it.
    #[inline(always)]
    pub(crate) fn then(self, behind: Self) -> Self {
        Self {
            bytes: self.bytes | behind.bytes.wrapping_shl(self.len.wrapping_mul(u8::BITS)),
            len: self.len.wrapping_add(behind.len),
        }
    }

    /// Its bytes, zeros behind them.
    pub(crate) fn to_bytes(self) -> [u8; 16] {
        self.bytes.to_le_bytes()
    }

    pub(crate) fn len(self) -> u32 {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use super::Head;
    use crate::wire::varint;

    #[test]
    fn composes_all_numbers_of_up_to_three_bytes_and_no_other() {
        for value in (0..32).flat_map(|bit| [(1_u32 << bit) - 1, 1 << bit]) {
            let mut bytes = alloc::vec![0x7f, 5, 0x55];
            varint::encode(value, |byte| {
                bytes.push(byte);
                Some(())
            })
            .unwrap();
            let head = Head::EMPTY.with(0x7f, 5).unwrap().with(0x55, value);
            let Some(head) = head else {
                assert!(bytes.len() > 3 + 3);
                continue;
            };
            assert_eq!(usize::try_from(head.len()), Ok(bytes.len()));
            bytes.resize(16, 0);
            assert_eq!(head.to_bytes()[..], bytes);
        }
    }
}
