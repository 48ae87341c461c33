//! A model of the writer that computes the expected blob from lists, without a buffer.

use std::rc::Rc;

use kinesis_agg_codec::{HashKey, MAGIC, OuterKey};
use kinesis_agg_tests::{Owned, reseal, wire};

/// User records and their key tables.
#[derive(Clone, Debug)]
pub struct Model {
    user_records: Vec<Rc<Owned>>,
    /// The indices of the partition key and of the explicit hash key of each user
    /// record.
    indices: Vec<(u64, Option<u64>)>,
    /// The keys of both tables, in the order in which they were added.
    keys: Vec<Rc<Key>>,
    /// The positions in `keys` that a look-up finds.
    remembered: Vec<usize>,
    /// The number of keys that can be remembered. Further keys are stored again at each
    /// use.
    slot_count: usize,
    keys_len: usize,
    records_len: usize,
}

/// A key table entry.
#[derive(Debug, PartialEq, Eq)]
struct Key {
    table: Table,
    text: String,
}

/// A user record's reference to a key.
#[derive(Clone, Copy, Debug)]
pub struct KeyUse {
    /// The index of the key in its table.
    pub index: u64,
    /// Whether this user record is the first to use the key.
    pub is_new: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Table {
    PartitionKeys,
    ExplicitHashKeys,
}

impl Model {
    /// Creates the model of an empty writer that remembers up to `slot_count` keys.
    #[must_use]
    pub fn new(slot_count: usize) -> Self {
        Self {
            user_records: Vec::new(),
            indices: Vec::new(),
            keys: Vec::new(),
            remembered: Vec::new(),
            slot_count,
            keys_len: 0,
            records_len: 0,
        }
    }

    /// Creates a model with one user record.
    #[must_use]
    pub fn alone(user_record: &Rc<Owned>) -> Self {
        Self::new(0).with(user_record)
    }

    /// Returns the model without its user records.
    #[must_use]
    pub fn cleared(&self) -> Self {
        Self::new(self.slot_count)
    }

    /// Returns the user records.
    #[must_use]
    pub fn user_records(&self) -> &[Rc<Owned>] {
        &self.user_records
    }

    /// Returns the model with one more user record.
    #[must_use]
    pub fn with(&self, user_record: &Rc<Owned>) -> Self {
        let mut with = self.clone();
        let partition_key = with.index(Table::PartitionKeys, user_record.partition_key.clone());
        let explicit_hash_key = user_record
            .explicit_hash_key
            .map(|number| with.index(Table::ExplicitHashKeys, number.to_string()));
        with.indices.push((partition_key, explicit_hash_key));
        with.user_records.push(Rc::clone(user_record));

        let tags = user_record.tags.iter().map(|(key, value)| {
            let value = value.as_ref().map_or(0, |value| field_len(value.len()));
            field_len(field_len(key.len()) + value)
        });
        let indices = [Some(partition_key), explicit_hash_key];
        let indices = indices.iter().flatten();
        let indices_len: usize = indices.map(|&index| 1 + wire::varint(index).len()).sum();
        let data_len = field_len(user_record.data.len());
        with.records_len += field_len(indices_len + data_len + tags.sum::<usize>());
        with
    }

    /// Returns the index of a key in its table, and adds the key if it is not found.
    fn index(&mut self, table: Table, text: String) -> u64 {
        let wanted = Key { table, text };
        let mut remembered = self.remembered.iter();
        let found = remembered.find(|&&place| *self.keys[place] == wanted);
        let place = match found {
            Some(&place) => place,
            None => {
                let place = self.keys.len();
                self.keys_len += field_len(wanted.text.len());
                self.keys.push(Rc::new(wanted));
                if self.remembered.len() < self.slot_count {
                    self.remembered.push(place);
                }
                place
            }
        };
        let before = self.keys[..place].iter().filter(|key| key.table == table);
        u64::try_from(before.count()).unwrap()
    }

    fn entries(&self, table: Table, entry: fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
        let keys = self.keys.iter().filter(|key| key.table == table);
        keys.flat_map(|key| entry(key.text.as_bytes())).collect()
    }

    /// Returns the blob.
    #[must_use]
    pub fn blob(&self) -> Vec<u8> {
        let mut message = [
            self.entries(Table::PartitionKeys, wire::partition_key),
            self.entries(Table::ExplicitHashKeys, wire::explicit_hash_key),
        ]
        .concat();
        for (user_record, &(partition_key, explicit_hash_key)) in
            self.user_records.iter().zip(&self.indices)
        {
            message.extend(record(user_record, partition_key, explicit_hash_key));
        }
        reseal(&message)
    }

    /// Returns the user records with their key references.
    pub fn uses(&self) -> impl Iterator<Item = (&Owned, KeyUse, Option<KeyUse>)> {
        let (mut partition_keys, mut explicit_hash_keys) = (0, 0);
        let use_of = |index: u64, count: &mut u64| {
            let is_new = index == *count;
            *count += u64::from(is_new);
            KeyUse { index, is_new }
        };
        let user_records = self.user_records.iter().zip(&self.indices);
        user_records.map(move |(user_record, &(partition_key, explicit_hash_key))| {
            let partition_key = use_of(partition_key, &mut partition_keys);
            let explicit_hash_key =
                explicit_hash_key.map(|index| use_of(index, &mut explicit_hash_keys));
            (&**user_record, partition_key, explicit_hash_key)
        })
    }

    /// Returns the blob of a writer without a buffer, where each key comes right before
    /// the record that first uses it.
    #[must_use]
    pub fn streamed(&self) -> Vec<u8> {
        let mut message = Vec::new();
        for (user_record, partition_key, explicit_hash_key) in self.uses() {
            if partition_key.is_new {
                message.extend(wire::partition_key(user_record.partition_key.as_bytes()));
            }
            if let (Some(KeyUse { is_new: true, .. }), Some(number)) =
                (&explicit_hash_key, user_record.explicit_hash_key)
            {
                message.extend(wire::explicit_hash_key(number.to_string().as_bytes()));
            }
            let explicit_hash_key = explicit_hash_key.map(|key| key.index);
            message.extend(record(user_record, partition_key.index, explicit_hash_key));
        }
        reseal(&message)
    }

    /// Returns the length of the blob.
    #[must_use]
    pub fn blob_len(&self) -> usize {
        MAGIC.len() + self.keys_len + self.records_len + 16
    }

    /// Returns the length of the blob plus the length of its key entries.
    #[must_use]
    pub fn roomy_len(&self) -> usize {
        self.blob_len() + self.keys_len
    }

    /// Returns the partition key and the explicit hash key of the Kinesis record.
    #[must_use]
    pub fn outer(&self, outer_key: OuterKey) -> (&str, Option<HashKey>) {
        let first = &self.user_records[0];
        let explicit_hash_key = first.explicit_hash_key.map(HashKey::new);
        let hash_key = || {
            let md5 = || crate::hash_key::md5(first.partition_key.as_bytes());
            explicit_hash_key.unwrap_or_else(|| HashKey::new(md5()))
        };
        match outer_key {
            OuterKey::FirstUserRecord => (&first.partition_key, explicit_hash_key),
            OuterKey::Kpl => ("a", Some(hash_key())),
            OuterKey::Chosen(key) => (key, Some(hash_key())),
        }
    }

    /// Returns the size of the Kinesis record: the blob plus the outer partition key.
    #[must_use]
    pub fn size(&self, outer_key: OuterKey) -> usize {
        self.blob_len() + self.outer(outer_key).0.len()
    }
}

/// Encodes a record of a message.
fn record(user_record: &Owned, partition_key: u64, explicit_hash_key: Option<u64>) -> Vec<u8> {
    let mut body = wire::number(1, partition_key);
    if let Some(index) = explicit_hash_key {
        body.extend(wire::number(2, index));
    }
    body.extend(wire::bytes(3, &user_record.data));
    for (key, value) in &user_record.tags {
        let value = value.as_ref().map(|value| wire::bytes(2, value.as_bytes()));
        let key = wire::bytes(1, key.as_bytes());
        body.extend(wire::bytes(4, &[key, value.unwrap_or_default()].concat()));
    }
    wire::bytes(3, &body)
}

/// Returns the encoded length of a field whose content has `len` bytes.
fn field_len(len: usize) -> usize {
    1 + wire::varint(u64::try_from(len).unwrap()).len() + len
}
