//! The protobuf wire format: bytes, varints, fields. Nothing here is specific to Kinesis.
//!
//! Source: <https://protobuf.dev/programming-guides/encoding/>.

pub(crate) mod fault;
pub(crate) mod field;
pub(crate) mod head;
pub(crate) mod num;
pub(crate) mod put;
pub(crate) mod sink;
pub(crate) mod varint;
