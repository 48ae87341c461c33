//! Small fields at the start of the input, read without a look at its end for
//! each byte.

/// Takes a number of up to three bytes, which nearly all are: the index of the
/// last of two million keys has as many. From an array, so that one look at the
/// input's end does for all that is taken from it: what is left is an array
/// three bytes shorter, wherever it starts.
///
/// `Some((number, its length, what is left))`; `None` for longer ones, good or
/// bad.
macro_rules! take_number {
    ($head:expr) => {
        match $head {
            [a @ ..0x80, rest @ .., _, _] => Some((u32::from(*a), 1_usize, rest)),
            [a, b @ ..0x80, rest @ .., _] => {
                Some((u32::from(*a & 0x7f) | u32::from(*b) << 7, 2, rest))
            }
            [a, b, c @ ..0x80, rest @ ..] => Some((
                u32::from(*a & 0x7f) | u32::from(*b & 0x7f) << 7 | u32::from(*c) << 14,
                3,
                rest,
            )),
            _ => None,
        }
    };
}

/// Takes a tag of one byte, if it is this one; `Some(what is left)`.
macro_rules! take_tag {
    ($head:expr, $tag:expr) => {
        match $head {
            [tag, rest @ ..] if u32::from(*tag) == $tag => Some(rest),
            _ => None,
        }
    };
}

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

pub(crate) use {take_number, take_tag};

#[cfg(test)]
mod tests {
    use super::Head;
    use crate::wire::varint;

    #[test]
    fn takes_all_numbers_of_up_to_three_bytes_and_no_other() {
        for value in (0..32).flat_map(|bit| [(1_u32 << bit) - 1, 1 << bit]) {
            let mut bytes = [0xa5; 8];
            let mut len = 0;
            varint::encode(value, |byte| {
                bytes[len] = byte;
                len += 1;
                Some(())
            })
            .unwrap();
            let taken = take_number!(&bytes).map(|(value, len, _)| (value, len));
            assert_eq!(taken, (len <= 3).then_some((value, len)));
            let [left @ .., _, _, _] = bytes;
            if let Some((_, len, rest)) = take_number!(&bytes) {
                assert_eq!(rest, &bytes[len..][..left.len()]);
            }
        }
    }

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
