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

/// Puts a number of up to three bytes at the start of an array; `Some((its
/// length, what is left))`, which starts behind it and is three bytes shorter.
/// `None` for larger ones.
macro_rules! put_number {
    ($head:expr, $value:expr) => {{
        let [low, middle, high, _] =
            [$value, $value >> 7, $value >> 14, 0].map(|bits: u32| bits.to_le_bytes()[0]);
        match $value {
            ..0x80 => {
                let [a, rest @ .., _, _] = $head;
                *a = low;
                Some((1_usize, rest))
            }
            0x80..0x4000 => {
                let [a, b, rest @ .., _] = $head;
                [*a, *b] = [low | 0x80, middle];
                Some((2, rest))
            }
            0x4000..0x20_0000 => {
                let [a, b, c, rest @ ..] = $head;
                [*a, *b, *c] = [low | 0x80, middle | 0x80, high];
                Some((3, rest))
            }
            _ => None,
        }
    }};
}

/// Puts a tag of one byte at the start of an array; what is left.
macro_rules! put_tag {
    ($head:expr, $tag:expr) => {{
        let [tag, rest @ ..] = $head;
        *tag = $tag.to_le_bytes()[0];
        rest
    }};
}

pub(crate) use {put_number, put_tag, take_number, take_tag};

#[cfg(test)]
mod tests {
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
}
