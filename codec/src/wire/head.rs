//! The fields at the start of a usual record, before its data, composed in a register.

use crate::wire::num::Num as _;

/// Fields with small numbers, composed in a register, to be stored at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    /// The first byte is the lowest; zeros follow the last.
    bytes: u128,
    len: u32,
}

impl Head {
    pub(crate) const EMPTY: Self = Self { bytes: 0, len: 0 };

    /// Appends a field: a tag of one byte and a number of up to three bytes.
    /// A head has at most four fields. `None` if the number is larger.
    #[inline(always)]
    pub(crate) fn with(self, tag: u32, number: u32) -> Option<Self> {
        let low = number & 0x7f;
        let middle = (number & 0x7f << 7) << 1;
        let high = (number & 0x7f << 14) << 2;
        let (varint, len) = match number {
            ..0x80 => (low, 2),
            0x80..0x4000 => (low | middle | 0x80, 3),
            0x4000..0x20_0000 => (low | middle | high | 0x8080, 4),
            _ => return None,
        };
        let bytes = u128::from(tag | varint << 8);
        Some(self.then(Self { bytes, len }))
    }

    /// Appends another head.
    #[inline(always)]
    pub(crate) fn then(self, behind: Self) -> Self {
        Self {
            bytes: self.bytes | behind.bytes.wrapping_shl(self.len.wrapping_mul(u8::BITS)),
            len: self.len.plus(behind.len),
        }
    }

    /// The bytes of the fields, followed by zeros.
    pub(crate) const fn bytes(self) -> [u8; 16] {
        self.bytes.to_le_bytes()
    }

    /// Bytes of the fields.
    pub(crate) const fn len(self) -> u32 {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use super::Head;
    use crate::wire::varint;

    #[test]
    fn a_head_accepts_numbers_of_up_to_three_varint_bytes() {
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
            assert_eq!(head.bytes()[..], bytes);
        }
    }
}
