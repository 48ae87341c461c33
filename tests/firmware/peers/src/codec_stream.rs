//! This codec's writer without a buffer, here into memory.

use kinesis_agg_codec::{RecordTags, StreamWriter};

use crate::{Blob, COUNT, KEYS, reading};

#[path = "codec.rs"]
mod codec;
pub use codec::decode;

pub fn encode(blob: &mut Blob) -> Option<usize> {
    let mut len = 0_usize;
    let mut writer = StreamWriter::new(|bytes: &[u8]| {
        let free = blob.get_mut(len..).ok_or(())?;
        free.get_mut(..bytes.len())
            .ok_or(())?
            .copy_from_slice(bytes);
        len = len.saturating_add(bytes.len());
        Ok::<(), ()>(())
    });
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
    usize::try_from(writer.finish().ok()?.encoded_len()).ok()
}
