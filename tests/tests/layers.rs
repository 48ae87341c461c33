//! ARCHITECTURE.md's file map, held against the sources. Protects the map from
//! what it lacks, and the order of the codec's files: an arrow that goes up is
//! where cycles begin.

use std::fs;
use std::path::{Path, PathBuf};

/// Each file of `codec/src`, lowest first; a file uses only files of lines above
/// its own. `read` and `write` do not use each other. This is the file map of
/// ARCHITECTURE.md.
const LAYERS: &[&[&str]] = &[
    &["error", "key_bytes", "wire::num"],
    &["limits"],
    &["wire::varint", "wire::head", "wire::fault"],
    &["wire::sink", "wire::field"],
    &["wire::put"],
    &["wire"],
    &["schema", "digest"],
    &["record_tag", "frame", "hash_key"],
    &["read::counts", "read::record"],
    &["read::fast"],
    &["read::check", "read::key_slots"],
    &["read::user_records"],
    &["read::aggregated_record"],
    &["read::parsed"],
    &["write::new_tags"],
    &["write::new_record", "write::key_lookup"],
    &[
        "write::counts",
        "write::aggregate",
        "write::new_user_record",
    ],
    &["write::sections", "write::stream"],
    &[
        "write::section_writer",
        "write::aggregate_writer",
        "write::stream_writer",
        "write::embedded_io_error",
    ],
    &[
        "write::heapless",
        "write::embedded_io",
        "write::async_stream_writer",
    ],
    &["read", "write"],
    &["rewrite", "log_format"],
    &["lib"],
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Module path and code of each file, without comments and unit tests.
fn sources() -> Vec<(String, String)> {
    let source = root().join("codec/src");
    let mut files = Vec::new();
    for directory in ["", "wire", "read", "write"] {
        let directory = source.join(directory);
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let module = path.strip_prefix(&source).unwrap().with_extension("");
            let module = module.to_str().unwrap().replace(['/', '\\'], "::");
            let module = module.trim_end_matches("::mod").to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            let is_code = |line: &&str| !line.trim_start().starts_with("//");
            let code: Vec<_> = code.lines().filter(is_code).collect();
            files.push((module, code.join("\n")));
        }
    }
    files
}

fn layer(module: &str) -> usize {
    LAYERS
        .iter()
        .position(|layer| layer.contains(&module))
        .unwrap_or_else(|| panic!("{module} has no place in the file map"))
}

/// The modules that `crate::` paths in `code` name.
fn uses(code: &str) -> Vec<String> {
    let segment = |path: &str| -> String {
        path.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let paths = code.split("crate::").skip(1);
    let modules = paths.map(|path| {
        let first = segment(path);
        assert!(!first.is_empty(), "one module a line: crate::{path:.20}");
        let rest = path.strip_prefix(first.as_str()).unwrap_or_default();
        let is_folder = ["wire", "read", "write"].contains(&first.as_str());
        match rest.strip_prefix("::").filter(|_| is_folder) {
            Some(rest) => format!("{first}::{}", segment(rest)),
            None => first,
        }
    });
    modules.collect()
}

#[test]
fn no_file_uses_one_above_it() {
    let mut arrows = 0;
    for (module, code) in sources().iter().filter(|(module, _)| module != "lib") {
        for used in uses(code) {
            assert!(
                layer(&used) < layer(module),
                "{module} uses {used}, which is not below it"
            );
            let wings = [module, &used].map(|module| module.split("::").next().unwrap());
            assert!(
                wings != ["read", "write"] && wings != ["write", "read"],
                "{module} uses {used}"
            );
            arrows += 1;
        }
        assert!(!code.contains("super::"), "{module}: say crate::");
    }
    assert!(arrows > 40, "only {arrows} arrows found");
}

/// The names of the files below a folder of sources, but of those that only
/// gather others.
fn file_names(directory: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            names.extend(file_names(&path));
        } else {
            names.push(path.file_name().unwrap().to_str().unwrap().to_owned());
        }
    }
    names.retain(|name| name != "lib.rs" && name != "mod.rs");
    names
}

#[test]
fn the_file_map_names_every_file_and_no_other() {
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for folder in ["codec/src", "codec-std/src"] {
        let head = format!("| File (`{folder}`) |");
        let table = architecture.split_once(&head).unwrap().1;
        let table = table.split("\n\n").next().unwrap();
        let paths = table.split('`').filter(|word| word.ends_with(".rs"));
        let mut listed: Vec<_> = paths
            .map(|path| path.rsplit('/').next().unwrap().to_owned())
            .filter(|name| name != "mod.rs")
            .collect();
        let mut found = file_names(&root().join(folder));
        listed.sort_unstable();
        found.sort_unstable();
        assert_eq!(listed, found, "{folder}");
    }
    let mut layered = LAYERS.concat();
    let mut found: Vec<_> = sources().into_iter().map(|(module, _)| module).collect();
    layered.sort_unstable();
    found.sort_unstable();
    assert_eq!(layered, found);
}

#[test]
fn wire_knows_no_kinesis_word_and_one_file_names_an_md5() {
    for (module, code) in sources() {
        let code = code.to_lowercase();
        assert_eq!(code.contains("md5"), module == "digest", "{module}");
        if module.starts_with("wire") {
            for word in ["kinesis", "partition", "hash_key", "aggregat", "shard"] {
                assert!(!code.contains(word), "{module} knows {word}");
            }
        }
    }
}

#[test]
fn errors_and_key_bytes_import_only_core() {
    for (module, code) in sources() {
        if layer(&module) == 0 {
            let imports = code.lines().filter(|line| line.starts_with("use "));
            for import in imports {
                assert!(import.starts_with("use core::"), "{module}: {import}");
            }
        }
    }
}
