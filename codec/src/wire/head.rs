//! Small fields at the start of the input or of the output, without a look at
//! its end for each byte: what is left of an array is a shorter array, wherever
//! it starts.

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

pub(crate) use {put_number, put_tag, take_tag};
