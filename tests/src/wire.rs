//! A minimal protobuf encoder, independent of the codec.

/// Encodes a varint in as few bytes as possible.
#[must_use]
pub fn varint(value: u64) -> Vec<u8> {
    let mut rest = value;
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(rest & 0x7f).unwrap();
        rest >>= 7;
        if rest == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// Encodes a varint field.
#[must_use]
pub fn number(field_number: u64, value: u64) -> Vec<u8> {
    [varint(field_number << 3), varint(value)].concat()
}

/// Encodes a length-delimited field.
#[must_use]
pub fn bytes(field_number: u64, body: &[u8]) -> Vec<u8> {
    let len = u64::try_from(body.len()).unwrap();
    [&varint(field_number << 3 | 2), &varint(len), body].concat()
}

/// Encodes an entry of the partition key table.
#[must_use]
pub fn partition_key(key: &[u8]) -> Vec<u8> {
    bytes(1, key)
}

/// Encodes an entry of the explicit hash key table.
#[must_use]
pub fn explicit_hash_key(key: &[u8]) -> Vec<u8> {
    bytes(2, key)
}

/// Encodes a record, with its fields in the KPL's order.
#[must_use]
pub fn record(partition_key: u64, explicit_hash_key: Option<u64>, data: &[u8]) -> Vec<u8> {
    let mut body = number(1, partition_key);
    if let Some(index) = explicit_hash_key {
        body.extend(number(2, index));
    }
    body.extend(bytes(3, data));
    bytes(3, &body)
}
