//! Generates the code for micropb, with the smallest capacities that suffice.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    #[cfg(feature = "micropb")]
    micropb();
}

#[cfg(feature = "micropb")]
fn micropb() {
    let out = std::path::PathBuf::from(std::env::var("OUT_DIR").unwrap());
    let proto = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../proto");
    let set = protox::Compiler::new([proto])
        .unwrap()
        .open_file("aggregated_record.proto")
        .unwrap()
        .encode_file_descriptor_set();
    std::fs::write(out.join("set"), set).unwrap();
    let mut generator = micropb_gen::Generator::new();
    let config = micropb_gen::Config::new;
    generator.use_container_heapless().calculate_max_size(false);
    generator
        .configure(
            ".kinesis_agg.AggregatedRecord.partition_key_table",
            config().max_len(5),
        )
        .configure(
            ".kinesis_agg.AggregatedRecord.partition_key_table.elem",
            config().max_bytes(16),
        )
        .configure(
            ".kinesis_agg.AggregatedRecord.explicit_hash_key_table",
            config().skip(true),
        )
        .configure(
            ".kinesis_agg.AggregatedRecord.records",
            config().max_len(20),
        )
        .configure(
            ".kinesis_agg.Record.partition_key_index",
            config().int_size(micropb_gen::config::IntSize::S32),
        )
        .configure(
            ".kinesis_agg.Record.explicit_hash_key_index",
            config().int_size(micropb_gen::config::IntSize::S32),
        )
        .configure(".kinesis_agg.Record.data", config().max_bytes(32))
        .configure(".kinesis_agg.Record.tags", config().skip(true))
        .configure(".kinesis_agg.Tag", config().skip(true));
    generator
        .compile_fdset_file(out.join("set"), out.join("kinesis_agg.rs"))
        .unwrap();
}
