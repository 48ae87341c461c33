//! Compares the file map in ARCHITECTURE.md with the source files. Protects readers from
//! an incomplete map, and the layers of the codec's files from upward imports, with which
//! import cycles begin.

use std::fs;
use std::path::{Path, PathBuf};

/// The files of `codec/src`, lowest layer first, in the order of the file map in
/// ARCHITECTURE.md. A file uses only files on the lines above its own. `read` and `write`
/// do not use each other.
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

/// Returns the module path and the code of each file, without comments and unit tests.
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
        .unwrap_or_else(|| panic!("LAYERS does not list {module}"))
}

/// Returns the modules named in `crate::` paths in `code`.
fn uses(code: &str) -> Vec<String> {
    let segment = |path: &str| -> String {
        path.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let paths = code.split("crate::").skip(1);
    let modules = paths.map(|path| {
        let first = segment(path);
        assert!(
            !first.is_empty(),
            "import one module per `use`: crate::{path:.20}"
        );
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
fn no_file_uses_a_higher_layer() {
    let mut arrows = 0;
    for (module, code) in sources().iter().filter(|(module, _)| module != "lib") {
        for used in uses(code) {
            assert!(
                layer(&used) < layer(module),
                "{module} uses {used}, which is not in a lower layer"
            );
            let wings = [module, &used].map(|module| module.split("::").next().unwrap());
            assert!(
                wings != ["read", "write"] && wings != ["write", "read"],
                "{module} uses {used}, but read and write must not use each other"
            );
            arrows += 1;
        }
        assert!(
            !code.contains("super::"),
            "{module}: import with crate::, not super::"
        );
    }
    assert!(arrows > 40, "only {arrows} imports found");
}

/// Returns the names of the files in a source folder and its subfolders, except those
/// that only declare modules.
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
fn wire_does_not_mention_kinesis_and_only_digest_names_an_md5() {
    for (module, code) in sources() {
        let code = code.to_lowercase();
        assert_eq!(code.contains("md5"), module == "digest", "{module}");
        if module.starts_with("wire") {
            for word in ["kinesis", "partition", "hash_key", "aggregat", "shard"] {
                assert!(!code.contains(word), "{module} mentions {word}");
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
