//! Bars and histograms made of characters.

use std::io::{self, Write};

use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};

use crate::render::style::{Styles, painted};
use crate::render::text::{count, cut, pad, percent, tenths, wide, width_of};

/// Returns a bar of at most `width` characters. Any value above zero is visible.
pub(crate) fn bar(value: u64, max: u64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let [value, max, full] = [u128::from(value), u128::from(max), wide(width).into()];
    let eighths = value.saturating_mul(full).saturating_mul(8);
    let eighths = eighths.checked_div(max).unwrap_or_default();
    let eighths = eighths.max(u128::from(value > 0));
    let whole = usize::try_from(eighths / 8).unwrap_or(width).min(width);
    let part = usize::try_from(eighths % 8).unwrap_or_default();
    let part = EIGHTHS.get(part).copied().unwrap_or_default();
    "█".repeat(whole) + part
}

/// A line of a bar chart.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) name_style: anstyle::Style,
    pub(crate) value: u64,
    pub(crate) bar_style: anstyle::Style,
    /// Printed after the bar.
    pub(crate) text: String,
}

/// Prints a line for each row: name, bar, text. No line is longer than the terminal: names take
/// at most a third of it, and bars at most `bar_width` of what is left.
pub(crate) fn bars(
    rows: &[Row],
    bar_width: usize,
    are_names_numbers: bool,
    styles: &Styles,
    out: &mut impl Write,
) -> io::Result<()> {
    /// Spaces before, between and after the columns.
    const AROUND: usize = 8;
    let widest = |widths: &mut dyn Iterator<Item = usize>| widths.max().unwrap_or_default();
    let name_width = widest(&mut rows.iter().map(|row| width_of(&row.name)));
    let text_width = widest(&mut rows.iter().map(|row| width_of(&row.text)));
    let room = styles.width.saturating_sub(AROUND);
    let name_width = name_width
        .min((styles.width / 3).max(room.saturating_sub(text_width.saturating_add(bar_width))));
    let left = room.saturating_sub(name_width).saturating_sub(text_width);
    let bar_width = bar_width.min(left);
    let text_width = room.saturating_sub(name_width).saturating_sub(bar_width);
    let most = rows.iter().map(|row| row.value).max().unwrap_or_default();
    for row in rows {
        let name = pad(&cut(&row.name, name_width), name_width, are_names_numbers);
        let bar = pad(&bar(row.value, most, bar_width), bar_width, false);
        writeln!(
            out,
            "    {}  {}  {}",
            painted(row.name_style, name),
            painted(row.bar_style, bar),
            cut(&row.text, text_width)
        )?;
    }
    Ok(())
}

/// Returns one bar of several parts, each drawn with its own character.
pub(crate) fn stacked<const N: usize>(parts: [(u64, &str); N], width: usize) -> [String; N] {
    let whole = parts.iter().map(|&(part, _)| u128::from(part)).sum();
    let mut sum = 0_u128;
    let mut end = 0;
    parts.map(|(part, character)| {
        sum = sum.saturating_add(part.into());
        let start = end;
        let scaled = sum.saturating_mul(wide(width).into());
        let scaled = scaled.checked_div(whole).unwrap_or_default();
        end = usize::try_from(scaled).unwrap_or(width);
        character.repeat(end.saturating_sub(start))
    })
}

/// Counts numbers by order of magnitude: one bucket for each length in bits.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    buckets: [u64; 65],
    count: u64,
    sum: u128,
    min: u64,
    max: u64,
}

/// Numbers from `from` to `to`, both inclusive.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Bucket {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) count: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: [0; 65],
            count: 0,
            sum: 0,
            min: u64::MAX,
            max: 0,
        }
    }
}

impl Serialize for Histogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let is_filled = self.count > 0;
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("min", &is_filled.then_some(self.min))?;
        map.serialize_entry("max", &is_filled.then_some(self.max))?;
        map.serialize_entry("buckets", &self.buckets())?;
        map.end()
    }
}

impl Histogram {
    pub(crate) fn add(&mut self, number: u64) {
        let bits = u64::BITS.saturating_sub(number.leading_zeros());
        let place = usize::try_from(bits).unwrap_or_default();
        if let Some(bucket) = self.buckets.get_mut(place) {
            *bucket = bucket.saturating_add(1);
        }
        self.count = self.count.saturating_add(1);
        self.sum = self.sum.saturating_add(number.into());
        self.min = self.min.min(number);
        self.max = self.max.max(number);
    }

    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    pub(crate) const fn sum(&self) -> u128 {
        self.sum
    }

    /// Returns the buckets from the first that is not empty to the last.
    pub(crate) fn buckets(&self) -> Vec<Bucket> {
        let mut from = 0;
        let mut to = 0;
        let mut buckets = Vec::new();
        for &count in &self.buckets {
            if from <= self.max && to >= self.min {
                buckets.push(Bucket { from, to, count });
            }
            from = to.saturating_add(1);
            to = to.saturating_mul(2).saturating_add(1);
        }
        buckets
    }

    /// Returns the smallest, the largest and the mean as a clause.
    pub(crate) fn summary(&self, noun: &str) -> String {
        match self.count {
            0 => "none".to_owned(),
            _ if self.min == self.max => format!("{} each", count(self.min, noun)),
            _ => format!(
                "{} to {}, mean {}",
                self.min,
                count(self.max, noun),
                tenths(self.sum, self.count)
            ),
        }
    }

    /// Prints a line for each bucket, if there is more than one.
    pub(crate) fn print(
        &self,
        noun: &str,
        styles: &Styles,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let buckets = self.buckets();
        if buckets.len() < 2 {
            return Ok(());
        }
        let row = |bucket: &Bucket| Row {
            name: match bucket.from == bucket.to {
                true => bucket.from.to_string(),
                false => format!("{} to {}", bucket.from, bucket.to),
            },
            name_style: anstyle::Style::new(),
            value: bucket.count,
            bar_style: styles.data,
            text: format!(
                "{} ({} %)",
                count(bucket.count, noun),
                percent(bucket.count, self.count)
            ),
        };
        let rows: Vec<_> = buckets.iter().map(row).collect();
        bars(&rows, 24, true, styles, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_in_the_one_bucket_that_has_it() {
        for number in [0, 1, 2, 3, 4, 7, 8, 1 << 20, u64::MAX - 1, u64::MAX] {
            let mut histogram = Histogram::default();
            histogram.add(number);
            let buckets = histogram.buckets();
            assert_eq!(buckets.len(), 1, "{number}");
            assert!(buckets[0].from <= number && number <= buckets[0].to);
        }
        let mut histogram = Histogram::default();
        for number in [1, 9] {
            histogram.add(number);
        }
        let counts: Vec<_> = histogram.buckets().iter().map(|b| b.count).collect();
        assert_eq!(counts, [1, 0, 0, 1]);
    }

    #[test]
    fn a_bar_is_in_proportion_and_never_wider_than_it_may_be() {
        assert_eq!(bar(0, 9, 4), "");
        assert_eq!(bar(1, 1 << 60, 4), "▏");
        assert_eq!(bar(3, 8, 4), "█▌");
        assert_eq!(bar(u64::MAX, u64::MAX, 4), "████");
        assert_eq!(
            stacked([(1, "a"), (1, "b"), (2, "c")], 8),
            ["aa", "bb", "cccc"]
        );
        assert_eq!(stacked([(0, "a"), (0, "b")], 8), ["", ""]);
    }
}
