//! Compares the file map in ARCHITECTURE.md with the source files. Protects readers from
//! an incomplete map, the layers of the codec's files from upward imports, and the files of
//! the other crates from importing each other in a circle.

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

/// Returns the module path and the code of each file of `codec/src`.
fn sources() -> Vec<(String, String)> {
    sources_in(&root().join("codec/src"))
}

/// Returns the module path and the code of each file in a source folder and its subfolders,
/// without comments and unit tests.
fn sources_in(source: &Path) -> Vec<(String, String)> {
    let files = paths_in(source).into_iter().map(|path| {
        let module = path.strip_prefix(source).unwrap().with_extension("");
        let module = module.to_str().unwrap().replace(['/', '\\'], "::");
        let module = module.trim_end_matches("::mod").to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        let is_code = |line: &&str| !line.trim_start().starts_with("//");
        let code: Vec<_> = code.lines().filter(is_code).collect();
        (module, code.join("\n"))
    });
    files.collect()
}

/// Returns the source files in a folder and its subfolders.
fn paths_in(directory: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            paths.extend(paths_in(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
    paths
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

/// Returns the modules that a file imports, with `crate::` or as its own submodules.
fn imports<'a>(file: &(String, String), modules: &[&'a str]) -> Vec<&'a str> {
    let (module, code) = file;
    let mut paths = Vec::new();
    for path in code.split("crate::").skip(1) {
        match path.strip_prefix('{') {
            Some(group) => {
                let group = group.split('}').next().unwrap();
                paths.extend(group.split(',').map(|path| path.trim().to_owned()));
            }
            None => paths.push(path.to_owned()),
        }
    }
    for line in code.lines() {
        if let Some((visibility, path)) = line.split_once("use ")
            && (visibility.is_empty() || visibility.starts_with("pub"))
        {
            paths.push(format!("{module}::{path}"));
        }
    }
    let imported = paths.iter().filter_map(|path| {
        let candidates = modules.iter().filter(|module| {
            let rest = path.strip_prefix(**module);
            rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
        });
        candidates.max_by_key(|module| module.len()).copied()
    });
    imported.filter(|imported| imported != module).collect()
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    for folder in [
        "codec",
        "codec-std",
        "cli",
        "fuzz",
        "benches",
        "bindings/python",
    ] {
        let mut files = sources_in(&root().join(folder).join("src"));
        files.retain(|(module, _)| module != "lib" && module != "main");
        let modules: Vec<_> = files.iter().map(|(module, _)| module.as_str()).collect();
        let mut rest: Vec<_> = files
            .iter()
            .map(|file| (file.0.as_str(), imports(file, &modules)))
            .collect();
        let arrows: usize = rest.iter().map(|(_, imports)| imports.len()).sum();
        assert!(arrows > 5, "{folder}: only {arrows} imports found");
        // Remove the files that import none of the rest, or that none of the rest imports.
        loop {
            let modules: Vec<_> = rest.iter().map(|(module, _)| *module).collect();
            let imported: Vec<_> = rest
                .iter()
                .flat_map(|(_, imports)| imports.clone())
                .collect();
            rest.retain(|(module, imports)| {
                imported.contains(module) && imports.iter().any(|import| modules.contains(import))
            });
            if rest.len() == modules.len() {
                break;
            }
        }
        let circle: Vec<_> = rest.iter().map(|(module, _)| module).collect();
        assert!(circle.is_empty(), "{folder}: {circle:?} import each other");
    }
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
        let found = paths_in(&root().join(folder)).into_iter();
        let mut found: Vec<_> = found
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
            .filter(|name| name != "lib.rs" && name != "mod.rs")
            .collect();
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
