//! Writes the code that buffa and micropb generate for the schema, each with its
//! own generator. Run `cargo run` in this folder after changing their versions.

use buffa::Message as _;
use buffa_codegen::generated::descriptor::FileDescriptorSet;
use buffa_codegen::{CodeGenConfig, GeneratedFileKind};
use prost::Message as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let out = root.join("benches/src/peers/generated");
    let schema = "aggregated_record.proto";
    let descriptors = protox::compile([schema], [root.join("proto")])?.encode_to_vec();

    let fds = FileDescriptorSet::decode_from_slice(&descriptors)?;
    let config = CodeGenConfig::default();
    for file in buffa_codegen::generate(&fds.file, &[schema.to_owned()], &config)? {
        let name = match file.kind {
            GeneratedFileKind::PackageMod => "buffa.rs".to_owned(),
            _ => file.name,
        };
        std::fs::write(out.join(name), file.content)?;
    }

    let fds_path = std::env::temp_dir().join("aggregated_record.fds");
    std::fs::write(&fds_path, descriptors)?;
    let mut generator = micropb_gen::Generator::new();
    generator.use_container_alloc();
    generator.compile_fdset_file(&fds_path, out.join("micropb.rs"))?;
    Ok(std::fs::remove_file(fds_path)?)
}
