//! This codec's writer for known keys.

use kinesis_agg_codec::{RecordTags, SectionWriter};

use crate::{Blob, COUNT, KEYS, reading};

#[path = "codec.rs"]
mod codec;
pub use codec::decode;

pub fn encode(blob: &mut Blob) -> Option<usize> {
    let mut writer = SectionWriter::new(blob);
    let mut indices = [None; 5];
    for place in 0..COUNT {
        let (key, data) = reading(place);
        let position = KEYS.iter().position(|known| *known == key)?;
        let index = indices.get_mut(position)?;
        let index = match *index {
            Some(index) => index,
            None => *index.insert(writer.add_partition_key(key.as_bytes()).ok()?),
        };
        writer
            .push(index, None, &data, RecordTags::default())
            .ok()?;
    }
    Some(writer.finish().ok()?.len())
}
