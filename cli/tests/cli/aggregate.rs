use serde_json::{Value, json};

use crate::{TWO, base64, file, framed, run};

const TWO_IN: &str = concat!(
    r#"{"partitionKey":"a","explicitHashKey":null,"data":"eA=="}"#,
    "\n",
    r#"{"partitionKey":"b","data":"eQ"}"#,
    "\n"
);

#[test]
fn the_line_is_that_of_the_contract_and_the_blob_that_of_the_kpl() {
    let data = base64(hex::decode(TWO).unwrap());
    let expected = format!(
        r#"{{"partitionKey":"a","explicitHashKey":null,"userRecords":2,"size":40,"data":"{data}"}}"#
    );
    assert_eq!(run(&["aggregate"], TWO_IN).lines(), [expected.as_str()]);
    let (first, second) = TWO_IN.split_once('\n').unwrap();
    let (first, second) = (file("two-1", first), file("two-2", second));
    let args = ["aggregate", "--from", "ndjson", &first, "-", &second];
    assert_eq!(run(&args, "\n  \r\n").lines(), [expected.as_str()]);
    assert_eq!(run(&["aggregate"], "").lines(), [""; 0]);
}

/// Returns the partition key, explicit hash key, user records and data length of each line.
fn summary(args: &[&str], input: &str) -> Vec<Value> {
    let ended = run(&[&["aggregate"], args].concat(), input);
    let lines = ended.json();
    let part = |line: &Value| {
        json!([
            line["partitionKey"],
            line["explicitHashKey"],
            line["userRecords"],
            line["size"]
        ])
    };
    lines.iter().map(part).collect()
}

#[test]
fn the_options_for_limits_outer_key_and_lone_user_records_take_effect() {
    const A: &str = "16955237001963240173058271559858726497";
    let with_ehk = r#"{"partitionKey":"b","explicitHashKey":" +007 ","data":"eQ=="}"#;
    let tagged = r#"{"partitionKey":"a","data":"eA==","tags":[{"key":"k"}]}"#;
    let magic = r#"{"partitionKey":"a","data":"84mawg=="}"#;
    let cases: &[(&[&str], &str, Value)] = &[
        (
            &["--max-count", "1"],
            TWO_IN,
            json!([["a", null, 1, 30], ["b", null, 1, 30]]),
        ),
        (&["--max-count", "2"], TWO_IN, json!([["a", null, 2, 40]])),
        // 40 bytes of blob and one of partition key.
        (&["--max-size", "41"], TWO_IN, json!([["a", null, 2, 40]])),
        (
            &["--max-size", "40"],
            TWO_IN,
            json!([["a", null, 1, 30], ["b", null, 1, 30]]),
        ),
        (
            &["--max-size", "10485760"],
            TWO_IN,
            json!([["a", null, 2, 40]]),
        ),
        (
            &["--outer-key", "first"],
            TWO_IN,
            json!([["a", null, 2, 40]]),
        ),
        (&["--outer-key", "kpl"], TWO_IN, json!([["a", A, 2, 40]])),
        (
            &["--outer-key", "first"],
            with_ehk,
            json!([["b", "7", 1, 35]]),
        ),
        (
            &["--outer-key", "kpl"],
            with_ehk,
            json!([["a", "7", 1, 35]]),
        ),
        (&["--lone", "wrap"], with_ehk, json!([["b", "7", 1, 35]])),
        (&["--lone", "raw"], with_ehk, json!([["b", "7", 1, 1]])),
        (
            &["--lone", "raw", "--outer-key", "kpl"],
            with_ehk,
            json!([["b", "7", 1, 1]]),
        ),
        (&["--lone", "raw"], TWO_IN, json!([["a", null, 2, 40]])),
        (
            &["--lone", "raw", "--max-count", "1"],
            TWO_IN,
            json!([["a", null, 1, 1], ["b", null, 1, 1]]),
        ),
        // Raw data would lose the tag, or be read as an aggregate because of the magic.
        (&["--lone", "raw"], tagged, json!([["a", null, 1, 35]])),
        (&["--lone", "raw"], magic, json!([["a", null, 1, 33]])),
    ];
    for (args, input, expected) in cases {
        assert_eq!(json!(summary(args, input)), *expected, "{args:?} {input}");
    }
}

#[test]
fn keys_are_read_from_text_base64_and_numbers() {
    let plain = run(
        &["aggregate"],
        r#"{"partitionKey":"é","explicitHashKey":"18446744073709551617","data":"eA=="}"#,
    );
    for same in [
        r#"{"partitionKeyBase64":"w6k=","explicitHashKey":"18446744073709551617","data":"eA=="}"#,
        r#"{"partitionKeyBase64":"w6k","partitionKey":null,"explicitHashKey":18446744073709551617,"data":"eA=="}"#,
        r#"{"partitionKey":"\u00e9","explicitHashKeyBase64":"MTg0NDY3NDQwNzM3MDk1NTE2MTc=","data":"eA=="}"#,
        r#"{"partitionKey":"x","partitionKey":"é","explicitHashKey":"18446744073709551617","data":"eA==","tags":null,"tag":7,"record":1}"#,
        r#"{"partitionKey":"é","explicitHashKey":"18446744073709551617","data":"eA==","tags":[]}"#,
    ] {
        assert_eq!(run(&["aggregate"], same).lines(), plain.lines(), "{same}");
    }
}

#[test]
fn an_invalid_line_ends_the_run_after_all_earlier_records() {
    let long_key = format!(r#"{{"partitionKey":"{}","data":""}}"#, "k".repeat(257));
    for (bad, why) in [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ("x", "line 4: not JSON: expected value at column 1"),
        (r#"{"data":"eA=="}"#, "no partitionKey"),
        (r#"{"partitionKey":null,"data":"eA=="}"#, "no partitionKey"),
        (
            r#"{"partitionKey":5,"data":"eA=="}"#,
            "partitionKey is not a string",
        ),
        (
            r#"{"partitionKey":"\ud800","data":"eA=="}"#,
            "partitionKey is not a string of Unicode",
        ),
        (
            r#"{"partitionKey":"","data":"eA=="}"#,
            "partition key is empty",
        ),
        (&long_key, "257 UTF-16 code units; the limit is 256"),
        (
            r#"{"partitionKeyBase64":"/w==","data":"eA=="}"#,
            "partitionKeyBase64 is not UTF-8",
        ),
        (
            r#"{"partitionKey":"a","partitionKeyBase64":"YQ==","data":"eA=="}"#,
            "both partitionKey",
        ),
        (r#"{"partitionKey":"a"}"#, "no data"),
        (r#"{"partitionKey":"a","data":"?"}"#, "data: not base64"),
        (
            r#"{"partitionKey":"a","data":"","explicitHashKey":"x"}"#,
            "explicitHashKey: hash key is not a decimal number",
        ),
        (
            r#"{"partitionKey":"a","data":"","explicitHashKey":""}"#,
            "explicitHashKey: hash key has no digits",
        ),
        (
            r#"{"partitionKey":"a","data":"","explicitHashKey":-1}"#,
            "explicitHashKey: hash key is not a decimal number",
        ),
        (
            r#"{"partitionKey":"a","data":"","explicitHashKey":1e3}"#,
            "explicitHashKey: hash key is not a decimal number",
        ),
        (
            r#"{"partitionKey":"a","data":"","explicitHashKey":true}"#,
            "explicitHashKey is not a string",
        ),
        (
            r#"{"partitionKey":"a","data":"","explicitHashKeyBase64":"/g=="}"#,
            "explicitHashKeyBase64 is not UTF-8",
        ),
        (
            r#"{"partitionKey":"a","data":"","explicitHashKey":"340282366920938463463374607431768211456"}"#,
            "explicitHashKey: hash key is 2^128 or more",
        ),
        (
            r#"{"partitionKey":"a","data":"","tags":{}}"#,
            "tags: not an array of objects",
        ),
        (
            r#"{"partitionKey":"a","data":"","tags":[{"value":"v"}]}"#,
            "tags: no key",
        ),
        (
            r#"{"partitionKey":"a","data":"","tags":[{"key":"k","value":1}]}"#,
            "tags: value is not a string",
        ),
        (
            r#"{"partitionKey":"a","data":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#,
            "the limit is 48",
        ),
    ] {
        let args = ["aggregate", "--max-size", "48"];
        let good = run(&args, TWO_IN);
        let ended = run(&args, format!("{TWO_IN}\n{bad}\n{TWO_IN}"));
        let earlier = ended.failed_saying(&["<stdin>, line 4", why]);
        assert_eq!(earlier.lines().collect::<Vec<_>>(), good.lines(), "{bad}");
    }
    let path = file("aggregate-bad", "x");
    run(&["aggregate", &path], "").failed_saying(&[&path, "line 1"]);
    let first = file("aggregate-good", TWO_IN);
    let ended = run(&["aggregate", &first, &(first.clone() + ".missing")], "");
    assert_eq!(
        ended.refused_saying(&[".missing"]),
        run(&["aggregate"], TWO_IN).stdout
    );
}

#[test]
fn aggregate_reads_the_output_of_deaggregate_and_keeps_every_user_record() {
    // Explicit hash keys, tags with and without a value, both kinds of key.
    let message = [
        b"\x0a\x01a\x0a\x02\xc3\xa9\x12\x017".as_slice(),
        b"\x1a\x05\x08\x00\x1a\x01x",
        b"\x1a\x15\x08\x01\x10\x00\x1a\x01y\x22\x06\x0a\x01k\x12\x01v\x22\x04\x0a\x02\xc3\xa9",
        b"\x1a\x04\x08\x00\x1a\x00",
    ]
    .concat();
    let blob = framed(&message);
    let lines = run(&["deaggregate", "--from", "raw"], &blob);
    assert_eq!(lines.lines().len(), 3);
    let again = run(&["aggregate"], &lines.stdout).json();
    assert_eq!(again.len(), 1);
    assert_eq!(again[0]["data"], json!(base64(&blob)));
    assert_eq!(again[0]["size"], blob.len());

    let twice = run(&["deaggregate", "--from", "ndjson"], again[0].to_string()).json();
    for (line, again) in lines.json().iter().zip(&twice) {
        for name in [
            "subSequenceNumber",
            "partitionKey",
            "explicitHashKey",
            "data",
            "tags",
        ] {
            assert_eq!(line[name], again[name], "{name}");
        }
    }
}

/// ListShards after "one" was split.
pub(crate) const SHARDS: &str = r#"{"Shards":[
    {"ShardId":"one","HashKeyRange":{"StartingHashKey":"0",
     "EndingHashKey":"340282366920938463463374607431768211455"},
     "SequenceNumberRange":{"StartingSequenceNumber":"1","EndingSequenceNumber":"2"}},
    {"ShardId":"high","ParentShardId":"one","HashKeyRange":{"StartingHashKey":"100",
     "EndingHashKey":"340282366920938463463374607431768211455"},
     "SequenceNumberRange":{"StartingSequenceNumber":"3"}},
    {"ShardId":"low","ParentShardId":"one","HashKeyRange":{"StartingHashKey":"0",
     "EndingHashKey":"99"},"SequenceNumberRange":{"StartingSequenceNumber":"3"}}
],"NextToken":null}"#;

#[test]
fn with_shards_no_aggregate_spans_two_of_them() {
    let shards = file("shards", SHARDS);
    let user_records: String = [99, 100, 0, 500]
        .map(|hash_key| {
            format!(r#"{{"partitionKey":"a","explicitHashKey":"{hash_key}","data":"eA=="}}"#) + "\n"
        })
        .concat();
    let args = ["aggregate", "--shards", &shards];
    let lines = run(&args, &user_records).json();
    let part = |line: &Value| {
        json!([
            line["shardId"],
            line["explicitHashKey"],
            line["userRecords"]
        ])
    };
    let parts: Vec<_> = lines.iter().map(part).collect();
    assert_eq!(parts, [json!(["low", "99", 2]), json!(["high", "100", 2])]);
    let args = ["aggregate", "--max-count", "1", "--shards", &shards];
    assert_eq!(run(&args, &user_records).lines().len(), 4);
}

#[test]
fn an_invalid_shards_file_is_an_error_that_names_it() {
    let cases = [
        (
            "gap",
            r#"{"Shards":[]}"#,
            "no open shard has the hash keys 0 to",
        ),
        ("other", "[]", "no list of shards"),
        (
            "keyless",
            r#"{"Shards":[{"ShardId":"x"}]}"#,
            "no /HashKeyRange",
        ),
    ];
    for (name, shards, words) in cases {
        let shards = file(name, shards);
        let ended = run(&["aggregate", "--shards", &shards], TWO_IN);
        assert_eq!(ended.refused_saying(&[words, name]), "");
    }
}
