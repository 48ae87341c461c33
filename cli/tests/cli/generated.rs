//! Completions and manual pages, made from the arguments.

use crate::{file, run};

const COMMANDS: [&str; 8] = [
    "deaggregate",
    "aggregate",
    "inspect",
    "stats",
    "verify",
    "hash-key",
    "completions",
    "man",
];

#[test]
fn completions_of_every_shell_know_every_command_and_an_option_of_one() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run(&["completions", shell], "");
        assert!(script.lines().len() > 20, "{shell}");
        for word in COMMANDS.iter().chain(&["svg"]) {
            assert!(script.stdout.contains(word), "{shell} {word}");
        }
    }
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let page = run(&["man"], "");
    assert!(page.lines()[0].starts_with(".ie"), "{page:?}");
    let marker = file("man.txt", "");
    let dir = std::path::Path::new(&marker).with_file_name("man");
    std::fs::create_dir_all(&dir).unwrap();
    run(&["man", "--dir", dir.to_str().unwrap()], "").lines();
    for command in COMMANDS {
        let page = format!("kinesis-agg-{command}.1");
        let text = std::fs::read_to_string(dir.join(&page)).unwrap();
        assert!(text.contains(".SH SYNOPSIS"), "{page}");
    }
    run(&["man", "--dir", "/nowhere"], "").refused_saying(&["/nowhere"]);
}
