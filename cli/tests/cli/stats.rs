use serde_json::json;

use crate::aggregate::SHARDS;
use crate::{KPL_NDJSON, TWO, base64, file, fixture, framed, json, malformed, run, unhex};

#[test]
fn stats_counts_two_user_records_in_every_total() {
    let input = format!("{TWO}\n{}\nx\n", hex::encode(malformed()));
    let ended = run(&["stats", "--from", "hex", "--ranges", "2"], input);
    let expected = r#"3 Kinesis records
  aggregated  1
  plain       0
  malformed   1, not counted below; verify explains why
  unreadable  1, not counted below
  holds       2 user records
  size        70 bytes: 2 bytes of user data (3 %)
  keys        2 bytes in tables, 2 bytes without tables: the same
  aggregates of 2 user records each
  user records of 1 byte each
  2 partition keys
    "a"  ████████████████  1 user record (50 %), 1 byte
    "b"  ████████████████  1 user record (50 %), 1 byte
  hash key ranges: the fullest has 1.0 times the mean
    0000…-7fff…  ████████████████████  1 user record (50 %), 1 byte
    8000…-ffff…  ████████████████████  1 user record (50 %), 1 byte
"#;
    assert_eq!(
        ended.failed_saying(&["<stdin>, line 3", "not hexadecimal"]),
        expected
    );
}

#[test]
fn the_totals_equal_those_of_the_user_records_that_deaggregate_prints() {
    let stats = &run(&["stats", "--json", KPL_NDJSON], "").json()[0];
    let delivered = run(&["deaggregate", KPL_NDJSON], "").json();
    let len_of = |line: &serde_json::Value| {
        let data = line["data"].as_str().unwrap();
        data.len() / 4 * 3 - data.bytes().filter(|&b| b == b'=').count()
    };
    assert_eq!(stats["userRecords"], json!(delivered.len()));
    let bytes: usize = delivered.iter().map(len_of).sum();
    assert_eq!(stats["userDataBytes"], json!(bytes));
    let keys = |name: &str| {
        let keys = delivered.iter().filter(|line| line["aggregated"] == true);
        keys.filter_map(|line| line[name].as_str())
            .map(str::len)
            .sum::<usize>()
    };
    let without_tables = keys("partitionKey") + keys("explicitHashKey");
    assert_eq!(stats["keyBytes"]["withoutTables"], json!(without_tables));
    let sum = |name: &str, field: &str| -> u64 {
        let parts = stats.pointer(name).unwrap().as_array().unwrap();
        parts.iter().map(|part| part[field].as_u64().unwrap()).sum()
    };
    assert_eq!(sum("/hashKeyRanges", "userRecords"), 17);
    assert_eq!(sum("/userRecordBytes/buckets", "count"), 17);
    assert_eq!(sum("/userRecordsInAggregate/buckets", "count"), 3);
    assert_eq!(
        stats["partitionKeys"]["hot"][0],
        // Includes the plain record, which was put with the same key.
        json!({"partitionKey": "1562602074896", "userRecords": 5, "bytes": 164})
    );
    assert_eq!(stats["partitionKeys"]["distinct"], 13);
}

#[test]
fn no_kinesis_record_of_the_fixtures_goes_uncounted() {
    let lines = fixture("decode.jsonl");
    let blobs: Vec<_> = lines
        .lines()
        .map(|line| unhex(&json(line)["input_hex"]))
        .collect();
    let input: String = blobs.iter().map(|blob| hex::encode(blob) + "\n").collect();
    let ended = run(&["stats", "--json", "--from", "hex"], &input);
    assert_eq!(ended.status, 1);
    let stats = json(&ended.stdout);
    let number = |pointer: &str| stats.pointer(pointer).unwrap().as_u64().unwrap();
    let kinds = [
        "/aggregated",
        "/malformed",
        "/plain/noMagic",
        "/plain/tooShort",
    ];
    let kinds = kinds.map(number).iter().sum::<u64>() + number("/plain/digestMismatch");
    assert_eq!(kinds, number("/kinesisRecords"));
    // Blank lines are skipped.
    let filled = blobs.iter().filter(|blob| !blob.is_empty()).count();
    assert_eq!(number("/kinesisRecords"), u64::try_from(filled).unwrap());
    let verdicts = stats["verdicts"].as_object().unwrap();
    let all: u64 = verdicts
        .values()
        .map(|number| number.as_u64().unwrap())
        .sum();
    assert_eq!(
        all - number("/verdicts/aggregatedTwice"),
        number("/kinesisRecords")
    );
    assert_eq!(
        number("/bytes"),
        u64::try_from(blobs.concat().len()).unwrap()
    );
    let ranges = stats["hashKeyRanges"].as_array().unwrap();
    let placed: u64 = ranges
        .iter()
        .map(|r| r["userRecords"].as_u64().unwrap())
        .sum();
    assert_eq!(
        placed + number("/userRecordsWithoutHashKey") + number("/userRecordsWithoutPartitionKey"),
        number("/userRecords")
    );
}

#[test]
fn ranges_are_those_of_the_shards_if_given_and_are_drawn_as_svg() {
    let shards = file("stats-shards", SHARDS.replace("high", "a<&b"));
    let svg = file("shares.svg", "");
    let args = ["stats", "--shards", &shards, "--svg", &svg, KPL_NDJSON];
    let shown = run(&args, "");
    shown.lines();
    assert!(
        shown
            .stdout
            .contains("shards: the fullest has 2.0 times the mean")
    );
    assert!(
        shown
            .stdout
            .contains("a<&b  ████████████████████  17 user records (100 %)")
    );
    let picture = std::fs::read_to_string(svg).unwrap();
    assert!(picture.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
    assert!(picture.trim_end().ends_with("</svg>"));
    // The picture has two bars and the background: one bar is empty, one is full.
    assert_eq!(picture.matches("<rect ").count(), 3);
    assert!(picture.contains("width=\"0\"") && picture.contains("width=\"360\""));
    // A range with twice the mean is hot.
    assert_eq!(picture.matches("#c0392b").count(), 1);
    assert!(picture.contains("a&lt;&amp;b") && !picture.contains("a<&b"));
}

#[test]
fn an_svg_file_that_cannot_be_written_is_an_error_after_the_report() {
    let ended = run(&["stats", "--svg", "/nowhere/x.svg", KPL_NDJSON], "");
    let printed = ended.refused_saying(&["cannot write /nowhere/x.svg"]);
    assert!(printed.starts_with("4 Kinesis records"));
}

#[test]
fn aggregates_that_a_consumer_drops_are_counted_if_shards_are_known() {
    let shards = file("stats-spread", SHARDS);
    let record = |hash_key: u32| {
        format!("{{\"partitionKey\":\"a\",\"explicitHashKey\":\"{hash_key}\",\"data\":\"\"}}\n")
    };
    // One aggregate in the first shard, one in the second, one in both.
    let mut spread: String = [[0, 99], [100, 500], [99, 100]]
        .map(|pair| run(&["aggregate"], pair.map(record).concat()).stdout)
        .concat();
    // One in no shard.
    let nowhere = framed(b"\x0a\x01a\x12\x01x\x1a\x07\x08\x00\x10\x00\x1a\x01x");
    spread += &json!({"data": base64(nowhere)}).to_string();
    let args = ["stats", "--from", "ndjson", "--shards", &shards];
    let shown = run(&args, &spread).stdout;
    assert!(
        shown.contains("2 aggregates with user records of several shards; consumers that filter"),
        "{shown}"
    );
    let stats = run(&[&args[..], &["--json"]].concat(), &spread).json();
    assert_eq!(stats[0]["aggregatedNotOfOneShard"], 2);
}

#[test]
fn a_key_that_is_not_utf8_is_not_replaced() {
    let blob = framed(b"\x0a\x01\xff\x1a\x05\x08\x00\x1a\x01x");
    let stats = run(&["stats", "--json"], &blob).json();
    assert_eq!(
        stats[0]["partitionKeys"],
        json!({"distinct": 1, "hot": [{"partitionKeyBase64": "/w==", "userRecords": 1, "bytes": 1}]})
    );
    assert!(run(&["stats"], &blob).stdout.contains("    0xff  ███"));
}

#[test]
fn user_records_in_no_range_are_reported() {
    // Plain data without a key, and a user record whose explicit hash key is not a number.
    let nowhere = framed(b"\x0a\x01a\x12\x01x\x1a\x07\x08\x00\x10\x00\x1a\x01x");
    let input = format!("{}\n78\n", hex::encode(nowhere));
    let shown = run(&["stats", "--from", "hex"], &input).stdout;
    for line in [
        "hash key ranges: no user records\n",
        "in no shard: 1 user record with an explicit hash key that is not a number\n",
        "not counted here: 1 Kinesis record without a partition key in the input\n",
    ] {
        assert!(shown.contains(line), "{line}{shown}");
    }
}
