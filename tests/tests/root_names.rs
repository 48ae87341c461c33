//! How many names the root of `kinesis-agg` shows. Protects its front page from
//! growing into a list that nobody reads: what few programs need is in a module.

const LIB: &str = include_str!("../../codec-std/src/lib.rs");

/// The largest number of names without features.
const MOST: usize = 30;

/// The public names of the root, those of features left out.
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
fn the_root_has_few_names() {
    let names = names();
    println!("{} names: {names:?}", names.len());
    assert!(names.len() <= MOST, "{} names: {names:?}", names.len());
    for name in ["codec", "read", "Deaggregator", "RecordAggregator"] {
        assert!(names.iter().any(|other| other == name), "{name} not found");
    }
}
