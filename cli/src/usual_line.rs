//! A user record as most lines have it, so that those are read once, in place.

use anyhow::Context as _;
use kinesis_agg::HashKey;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// A line without escapes, and without what few have. Of all others, and of
/// those that are wrong, [`JsonFields`](kinesis_agg::lambda::JsonFields) knows more.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UsualLine<'a> {
    pub(crate) partition_key: &'a str,
    explicit_hash_key: Option<&'a str>,
    pub(crate) data: &'a str,
    partition_key_base64: Option<IgnoredAny>,
    explicit_hash_key_base64: Option<IgnoredAny>,
    tags: Option<IgnoredAny>,
}

impl<'a> UsualLine<'a> {
    /// None if the line is an unusual one.
    pub(crate) fn parse(line: &'a [u8]) -> Option<Self> {
        let usual: Self = serde_json::from_str(str::from_utf8(line).ok()?).ok()?;
        let others = [
            &usual.partition_key_base64,
            &usual.explicit_hash_key_base64,
            &usual.tags,
        ];
        others.iter().all(|other| other.is_none()).then_some(usual)
    }

    pub(crate) fn explicit_hash_key(&self) -> anyhow::Result<Option<HashKey>> {
        self.explicit_hash_key.map(hash_key).transpose()
    }
}

/// What a field `explicitHashKey` stands for.
pub(crate) fn hash_key(text: &str) -> anyhow::Result<HashKey> {
    text.parse().context("explicitHashKey")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse_fields;

    const USUAL: [&str; 5] = [
        r#"{"partitionKey":"a","data":"eA=="}"#,
        r#" { "data" : "" , "partitionKey" : "é", "explicitHashKey" : null } "#,
        r#"{"record":0,"aggregated":true,"subSequenceNumber":10,"partitionKey":"{,}:","explicitHashKey":"7","data":"eQ=="}"#,
        r#"{"size":40,"x":"tags","data":"eA==","y":false,"partitionKey":"","z":null}"#,
        r#"{"":"","partitionKey":" b ","data":"not base64","n":4959}"#,
    ];

    fn usual(line: &str) -> Option<UsualLine<'_>> {
        let usual = UsualLine::parse(line.as_bytes())?;
        let fields = parse_fields(line.as_bytes()).expect(line);
        let text = |name| fields.string(name).expect(line);
        assert_eq!(
            text("partitionKey").as_deref(),
            Some(usual.partition_key),
            "{line}"
        );
        assert_eq!(
            text("explicitHashKey").as_deref(),
            usual.explicit_hash_key,
            "{line}"
        );
        assert_eq!(text("data").as_deref(), Some(usual.data), "{line}");
        for name in ["partitionKeyBase64", "explicitHashKeyBase64", "tags"] {
            assert!(fields.get_non_null(name).is_none(), "{line}");
        }
        Some(usual)
    }

    #[test]
    fn what_is_usual_means_what_it_means_to_the_json_reader() {
        for line in USUAL {
            assert!(usual(line).is_some(), "{line}");
            // With a piece of another one, or of none, at every place instead of a piece.
            let pieces = USUAL.iter().chain(&[
                "",
                "\"",
                "\\\"",
                "\t",
                ",",
                ":",
                "{}",
                "[1]",
                "-1",
                "01",
                "1.0",
                "nul",
                "é",
                r#","tags":[]"#,
                r#","partitionKeyBase64":"""#,
                r#","data":7"#,
            ]);
            for piece in pieces {
                for (start, _) in line.char_indices() {
                    for (end, _) in line.char_indices().filter(|(end, _)| *end >= start) {
                        usual(&[&line[..start], piece, &line[end..]].concat());
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_unusual_is_left_to_the_json_reader() {
        for line in [
            r#"{"partitionKey":"a","data":"eA==","tags":[]}"#,
            r#"{"partitionKey":"a","data":"eA==","explicitHashKey":7}"#,
            r#"{"partitionKey":"a","data":"eA==","data":"eQ=="}"#,
            r#"{"partitionKey":"a","data":"e\u0041=="}"#,
            r#"{"partitionKey":"a","data":"eA=="}}"#,
            r#"{"partitionKey":"a"}"#,
            "",
        ] {
            assert!(usual(line).is_none(), "{line}");
        }
    }
}
