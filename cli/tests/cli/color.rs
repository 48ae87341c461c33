//! Output for a terminal, requested with flags.

use crate::{KPL_NDJSON, TWO, command, run};

/// Returns the text without its colours.
pub(crate) fn plain(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap().to_owned();
    for part in parts {
        let (codes, rest) = part.split_once('m').unwrap();
        assert!(
            codes.bytes().all(|b| b.is_ascii_digit() || b == b';'),
            "{codes:?}"
        );
        plain.push_str(rest);
    }
    plain
}

#[test]
fn colour_adds_only_escapes_and_is_off_outside_a_terminal() {
    let commands: [&[&str]; 4] = [
        &["inspect", KPL_NDJSON],
        &["stats", KPL_NDJSON],
        &["verify", KPL_NDJSON],
        &["deaggregate", KPL_NDJSON],
    ];
    for args in commands {
        let auto = run(args, "");
        assert!(!auto.stdout.contains('\u{1b}'), "{args:?}");
        for (when, is_colored) in [("never", false), ("always", args[0] != "deaggregate")] {
            let ended = run(&[args, &["--color", when]].concat(), "");
            assert_eq!(
                ended.stdout.contains('\u{1b}'),
                is_colored,
                "{args:?} {when}"
            );
            assert_eq!(plain(&ended.stdout), auto.stdout, "{args:?} {when}");
        }
    }
}

#[test]
fn environment_variables_control_colour_unless_a_flag_overrides_them() {
    let is_colored = |variables: &[&str], args: &[&str]| {
        let mut command = command(&[&["inspect", KPL_NDJSON], args].concat());
        command.envs(variables.iter().map(|name| (name, "1")));
        let output = command.output().unwrap();
        assert!(output.status.success());
        output.stdout.contains(&0x1b)
    };
    assert!(is_colored(&["CLICOLOR_FORCE"], &[]));
    assert!(!is_colored(&["CLICOLOR_FORCE", "NO_COLOR"], &[]));
    assert!(!is_colored(&["CLICOLOR_FORCE"], &["--color", "never"]));
    assert!(is_colored(&["NO_COLOR"], &["--color", "always"]));
}

#[test]
fn the_broken_byte_is_marked_in_the_same_column_with_and_without_colour() {
    let cut = &TWO[..TWO.len() - 2];
    let shown = run(&["--color", "always", "verify", "--from", "hex"], cut).stdout;
    assert_eq!(plain(&shown), run(&["verify", "--from", "hex"], cut).stdout);
    let lines: Vec<_> = shown.lines().collect();
    let mark = lines
        .iter()
        .position(|line| line.contains("^^ byte"))
        .unwrap();
    let column = plain(lines[mark]).find("^^").unwrap();
    let bytes = plain(lines[mark - 1]);
    // The mark is below the byte that is coloured.
    let red = lines[mark - 1].split("\u{1b}[31m").nth(1).unwrap();
    assert_eq!(bytes[column..column + 2], red[..2], "{shown}");
}

#[test]
fn progress_is_not_shown_outside_a_terminal() {
    for command in ["stats", "verify", "inspect", "deaggregate"] {
        assert_eq!(run(&[command, KPL_NDJSON], "").stderr, "", "{command}");
    }
}

/// The README's pictures show what the tool really prints; `cli/pictures/make.py` draws them.
#[test]
fn the_pictures_show_what_is_really_printed() {
    for (name, args) in [
        ("inspect", &["inspect", "--record", "0"][..]),
        ("stats", &["stats", "--ranges", "4", "--top", "5"]),
    ] {
        let path = format!("{}/pictures/{name}.svg", env!("CARGO_MANIFEST_DIR"));
        let picture = std::fs::read_to_string(path).unwrap();
        let lines = picture.lines().filter(|line| line.starts_with("<text"));
        let drawn: Vec<_> = lines
            .skip(1)
            .map(|line| {
                let parts = line
                    .split('<')
                    .filter_map(|part| Some(part.split_once('>')?.1));
                let text = parts.collect::<String>();
                text.replace("&lt;", "<")
                    .replace("&gt;", ">")
                    .replace("&amp;", "&")
            })
            .collect();
        let mut command = command(&[args, &["cli/examples/kpl.ndjson"]].concat());
        let command = command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        let printed = String::from_utf8(command.output().unwrap().stdout).unwrap();
        assert_eq!(drawn, printed.lines().collect::<Vec<_>>(), "{name}");
    }
}
