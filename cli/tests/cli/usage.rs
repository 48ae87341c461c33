use crate::run;

#[test]
fn wrong_usage_exits_with_2_and_says_so_on_stderr_only() {
    let cases: &[&[&str]] = &[
        &[],
        &["unknown"],
        &["deaggregate", "--from", "xml"],
        &["deaggregate", "--from", "hex", "--malformed", "drop"],
        &["deaggregate", "--from", "events"],
        &["deaggregate", "--to", "xml"],
        &["deaggregate", "--print0"],
        &["deaggregate", "--to", "data", "--print0", "--length-prefix"],
        &["deaggregate", "--to", "event", "--nested"],
        &["aggregate", "--per-key", "--shards", "x"],
        &[
            "deaggregate",
            "--from",
            "hex",
            "--filter",
            "per-user-record",
        ],
        &["aggregate", "--from", "hex"],
        &["aggregate", "--max-size", "0"],
        &["aggregate", "--max-size", "10485761"],
        &["aggregate", "--max-size", "-1"],
        &["aggregate", "--max-size", "1k"],
        &["aggregate", "--max-count", "0"],
        &["aggregate", "--max-count", "18446744073709551616"],
        &["aggregate", "--outer-key", "last"],
        &["aggregate", "--lone", "never"],
        &["hash-key"],
        &["stats", "--ranges", "0"],
        &["stats", "--ranges", "257"],
        &["stats", "--ranges", "2", "--shards", "x"],
        &["stats", "--top", "-1"],
        &["verify", "--from", "xml"],
        &["inspect", "--color", "red"],
        &["completions", "cmd"],
    ];
    for args in cases {
        let ended = run(args, "");
        assert_eq!((ended.status, ended.stdout.as_str()), (2, ""), "{args:?}");
        assert!(!ended.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn invalid_ranges_are_wrong_usage() {
    for range in [
        "300:100",
        "1:0",
        "0",
        ":",
        "0:",
        "a:b",
        "0:340282366920938463463374607431768211456",
    ] {
        let args = [
            "deaggregate",
            "--from",
            "hex",
            "--filter",
            "whole-aggregate",
        ];
        let ended = run(&[&args[..], &["--range", range]].concat(), crate::TWO);
        assert_eq!((ended.status, ended.stdout.as_str()), (2, ""), "{range}");
    }
}

#[test]
fn help_shows_what_the_tool_really_prints() {
    for (command, input, args) in [
        ("deaggregate", format!("{}\n", crate::TWO), &["--from", "hex"][..]),
        (
            "aggregate",
            "{\"partitionKey\":\"a\",\"data\":\"eA==\"}\n{\"partitionKey\":\"b\",\"data\":\"eQ==\"}\n".into(),
            &[],
        ),
        ("hash-key", String::new(), &["a"]),
    ] {
        let help = run(&[command, "--help"], "");
        let printed = run(&[&[command], args].concat(), input);
        assert!(help.lines().len() > 5);
        for line in printed.lines() {
            assert!(help.stdout.contains(line), "{line}: {}", help.stdout);
        }
    }
}

#[test]
fn hash_keys_are_printed_one_per_line() {
    let ended = run(&["hash-key", "a", "", "é", "--", "-"], "");
    assert_eq!(
        ended.lines(),
        [
            "16955237001963240173058271559858726497",
            "281949768489412648962353822266799178366",
            "136732923097551493579404309126273812335",
            "68358509610070717889884130747296293671",
        ]
    );
}

#[test]
fn every_command_has_an_example_that_names_it() {
    let top = run(&["--help"], "");
    for command in [
        "deaggregate",
        "aggregate",
        "inspect",
        "stats",
        "verify",
        "hash-key",
        "completions",
        "man",
    ] {
        assert!(top.stdout.contains(&format!("\n  {command} ")), "{command}");
        let help = run(&[command, "--help"], "").stdout;
        let (_, examples) = help.split_once("\nExample").unwrap();
        assert!(
            examples.contains(&format!("kinesis-agg {command}")),
            "{command}"
        );
    }
}
