//! Checks hash keys as decimal text, as numbers and as digests of partition keys.

use arbitrary::{Arbitrary, Unstructured};
#[cfg(feature = "std")]
use kinesis_agg::digests;
use kinesis_agg_codec::{Digest, HashKey, HashKeyError, HashKeyRange, limits};
use num_bigint::BigUint;

#[derive(Arbitrary, Debug)]
enum Input {
    Text(Vec<u8>),
    Near(Near),
    Decorated(Decorated),
    PartitionKey(Vec<u8>),
    Range(u128, u128, u128),
}

/// A number near a boundary.
#[derive(Arbitrary, Debug)]
struct Near {
    base: Base,
    distance: i8,
}

#[derive(Arbitrary, Debug)]
enum Base {
    Any(u128),
    PowerOfTwo(u8),
    PowerOfTen(u8),
    Largest,
}

/// A decimal number with other bytes around it.
#[derive(Arbitrary, Debug)]
struct Decorated {
    before: Vec<u8>,
    plus: bool,
    zeros: u8,
    number: Near,
    after: Vec<u8>,
}

/// Checks an input. If the first byte is even, the rest is text; otherwise it is an
/// [`Input`].
pub fn check(input: &[u8]) {
    match input.split_first() {
        Some((mode, rest)) if mode % 2 == 1 => {
            if let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(rest)) {
                check_input(&input);
            }
        }
        Some((_, text)) => check_text(text),
        None => check_text(&[]),
    }
}

fn check_input(input: &Input) {
    match input {
        Input::Text(text) => check_text(text),
        Input::Near(near) => check_number(near.number()),
        Input::Decorated(decorated) => check_text(&decorated.text()),
        Input::PartitionKey(key) => {
            let hash_key = HashKey::of_partition_key(key);
            assert_eq!(hash_key.to_u128(), md5(key));
            assert_eq!(HashKey::from(Digest::of(key)), hash_key);
            check_number(hash_key.to_u128());
            #[cfg(feature = "std")]
            check_many(key);
        }
        Input::Range(start, end, number) => check_range(*start, *end, *number),
    }
}

impl Near {
    fn number(&self) -> u128 {
        let base = match self.base {
            Base::Any(number) => number,
            Base::PowerOfTwo(exponent) => 1 << (exponent % 128),
            Base::PowerOfTen(exponent) => 10_u128.pow(u32::from(exponent % 39)),
            Base::Largest => u128::MAX,
        };
        base.wrapping_add_signed(i128::from(self.distance))
    }
}

impl Decorated {
    fn text(&self) -> Vec<u8> {
        let digits = BigUint::from(self.number.number());
        // Also produce numbers beyond the largest hash key.
        let digits = match self.number.base {
            Base::Largest => digits + BigUint::from(u64::from(self.zeros)),
            _ => digits,
        };
        let plus: &[u8] = if self.plus { b"+" } else { b"" };
        let zeros = vec![b'0'; usize::from(self.zeros)];
        let digits = digits.to_string().into_bytes();
        [&self.before, plus, &zeros, &digits, &self.after].concat()
    }
}

/// Returns the number of an explicit hash key in a blob: "ASCII digits with an
/// optional `+`, untrimmed; all else fails".
#[must_use]
pub fn reading(text: &[u8]) -> Option<u128> {
    read(text).ok()
}

fn read(text: &[u8]) -> Result<u128, HashKeyError> {
    let start = usize::from(text.first() == Some(&b'+'));
    let digits = &text[start..];
    if digits.is_empty() {
        return Err(HashKeyError::Empty);
    }
    for (place, byte) in digits.iter().enumerate() {
        if !byte.is_ascii_digit() {
            let offset = start + place;
            return Err(HashKeyError::NotADigit { offset });
        }
    }
    let number = BigUint::parse_bytes(digits, 10).unwrap();
    u128::try_from(number).map_err(|_| HashKeyError::OutOfRange)
}

/// Returns the digest of a partition key as a number, computed by another MD5
/// implementation than the codec's.
#[must_use]
pub fn md5(partition_key: &[u8]) -> u128 {
    let digest = BigUint::from_bytes_be(&md5::compute(partition_key).0);
    u128::try_from(digest).unwrap()
}

/// Checks the digests of many parts of a text, computed in one call.
#[cfg(feature = "std")]
fn check_many(text: &[u8]) {
    let step = (text.len() / 11).max(1);
    let parts = (0..=text.len()).step_by(step).flat_map(|middle| {
        let (start, end) = text.split_at(middle);
        [start, end]
    });
    // Some inputs are so long that a lane processes several messages.
    let times = match text {
        [b'0'..=b'9', times, ..] => usize::from(times % 64),
        _ => 1,
    };
    let parts: Vec<_> = parts.take(30).map(|part| part.repeat(times)).collect();
    let expected: Vec<_> = parts.iter().map(|part| md5(part)).collect();
    let hash_keys = digests::hash_keys_of(&parts)
        .into_iter()
        .map(HashKey::to_u128);
    assert_eq!(hash_keys.collect::<Vec<_>>(), expected);
    let digests = digests::of(&parts).into_iter().map(HashKey::from);
    assert_eq!(digests.map(HashKey::to_u128).collect::<Vec<_>>(), expected);
}

fn check_text(text: &[u8]) {
    let expected = read(text);
    let got = HashKey::from_decimal(text);
    assert_eq!(got.map(HashKey::to_u128), expected);
    if let Ok(number) = expected {
        check_number(number);
    }
    if let Ok(text) = str::from_utf8(text) {
        check_given(text);
    }
}

/// Checks the parsing of text from a producer: "ASCII white space around is trimmed".
fn check_given(text: &str) {
    let is_space = |c: char| [' ', '\t', '\n', '\r', '\u{c}'].contains(&c);
    let before = text.len() - text.trim_start_matches(is_space).len();
    let expected = read(text.trim_matches(is_space).as_bytes()).map_err(|error| match error {
        HashKeyError::NotADigit { offset } => {
            let offset = before + offset;
            HashKeyError::NotADigit { offset }
        }
        other => other,
    });
    assert_eq!(text.parse().map(HashKey::to_u128), expected, "{text:?}");
}

fn check_number(number: u128) {
    let hash_key = HashKey::new(number);
    assert_eq!(hash_key.to_u128(), number);
    let text = BigUint::from(number).to_string();
    assert_eq!(text, number.to_string());
    let decimal = hash_key.to_decimal();
    assert_eq!(decimal.as_str(), text);
    assert_eq!(decimal.as_bytes(), text.as_bytes());
    assert!(text.len() <= limits::MAX_HASH_KEY_DECIMAL_LEN);
    assert_eq!(hash_key.to_string(), text);
    assert_eq!(decimal.to_string(), text);
    assert_eq!(format!("{decimal:?}"), format!("{text:?}"));
    assert_eq!(
        format!("{hash_key:>41}|{hash_key:<5}"),
        format!("{text:>41}|{text:<5}")
    );
    assert_eq!(HashKey::from_decimal(text.as_bytes()), Ok(hash_key));
    assert_eq!(text.parse(), Ok(hash_key));
    assert_eq!(format!("\t +00{text}\r\n").parse(), Ok(hash_key));
}

fn check_range(start: u128, end: u128, number: u128) {
    let range = HashKeyRange::new(HashKey::new(start), HashKey::new(end));
    assert_eq!(range.is_ok(), start <= end);
    if let Ok(range) = range {
        assert_eq!(range.starting_hash_key().to_u128(), start);
        assert_eq!(range.ending_hash_key().to_u128(), end);
        for number in [
            number,
            start,
            end,
            start.wrapping_sub(1),
            end.wrapping_add(1),
        ] {
            let contains = range.contains(HashKey::new(number));
            assert_eq!(contains, (start..=end).contains(&number));
        }
    }
    assert!(HashKeyRange::FULL.contains(HashKey::new(number)));
}
