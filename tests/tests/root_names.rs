//! Limits the number of names in the root of `kinesis-agg`. Protects its front page from
//! becoming too long to read: items that few programs need belong in a module.

const LIB: &str = include_str!("../../codec-std/src/lib.rs");

/// The maximum number of names, not counting those behind features.
const MOST: usize = 30;

/// Returns the public names of the root, without those behind features.
fn names() -> Vec<String> {
    let code: String = LIB
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join(" ");
    let mut names = Vec::new();
    for statement in code.split(';') {
        let Some((attributes, public)) = statement.split_once("pub ") else {
            continue;
        };
        if attributes.contains("cfg(feature") {
            continue;
        }
        if let Some(module) = public.strip_prefix("mod ") {
            names.push(module.trim().to_owned());
        } else if let Some(path) = public.strip_prefix("use ") {
            let list = match path.split_once('{') {
                Some((_, list)) => list.trim_end_matches('}'),
                None => path.rsplit("::").next().unwrap(),
            };
            let list = list
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty());
            names.extend(list.map(|name| name.rsplit(' ').next().unwrap().to_owned()));
        } else {
            panic!("neither a module nor a re-export: {public}");
        }
    }
    names
}

#[test]
fn the_crate_root_stays_within_its_limit_of_names() {
    let names = names();
    println!("{} names: {names:?}", names.len());
    assert!(names.len() <= MOST, "{} names: {names:?}", names.len());
    for name in ["codec", "read", "Deaggregator", "RecordAggregator"] {
        assert!(names.iter().any(|other| other == name), "{name} not found");
    }
}
