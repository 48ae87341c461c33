//! What a writer has to write, from lists and without a buffer: each question
//! is answered from all user records anew.

use std::cell::OnceCell;
use std::rc::Rc;

use kinesis_agg_codec::{HashKey, MAGIC, OuterKey};
use kinesis_agg_tests::{Owned, reseal, wire};

/// User records, and how many keys are remembered.
#[derive(Clone, Debug)]
pub struct Model {
    user_records: Vec<Rc<Owned>>,
    /// Keys beyond these are stored again at each use.
    slot_count: usize,
    /// Bytes of the key tables, and of the records, once somebody asked.
    lens: OnceCell<(usize, usize)>,
}

/// A key table entry.
type Key = (Table, Vec<u8>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Table {
    PartitionKeys,
    ExplicitHashKeys,
}

#[derive(Default)]
struct Tables {
    keys: Vec<Key>,
    /// Places in `keys` that a look-up finds.
    remembered: Vec<usize>,
}

impl Tables {
    /// The index of a key, as a field of a record.
    fn index(&mut self, table: Table, key: &[u8], slot_count: usize) -> u64 {
        let wanted = (table, key.to_vec());
        let found = self
            .remembered
            .iter()
            .find(|&&place| self.keys[place] == wanted);
        let place = match found {
            Some(&place) => place,
            None => {
                let place = self.keys.len();
                self.keys.push(wanted);
                if self.remembered.len() < slot_count {
                    self.remembered.push(place);
                }
                place
            }
        };
        let before = self.keys[..place].iter().filter(|(kind, _)| *kind == table);
        u64::try_from(before.count()).unwrap()
    }

    fn entries(&self, table: Table, entry: fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
        let keys = self.keys.iter().filter(|(kind, _)| *kind == table);
        keys.flat_map(|(_, key)| entry(key)).collect()
    }
}

impl Model {
    /// An empty one of a writer that remembers so many keys.
    #[must_use]
    pub fn new(slot_count: usize) -> Self {
        Self {
            user_records: Vec::new(),
            slot_count,
            lens: OnceCell::new(),
        }
    }

    /// One that holds a user record alone.
    #[must_use]
    pub fn alone(user_record: &Rc<Owned>) -> Self {
        Self::new(2).with(user_record)
    }

    /// One without user records.
    #[must_use]
    pub fn cleared(&self) -> Self {
        Self::new(self.slot_count)
    }

    /// The user records so far.
    #[must_use]
    pub fn user_records(&self) -> &[Rc<Owned>] {
        &self.user_records
    }

    /// With one user record more.
    #[must_use]
    pub fn with(&self, user_record: &Rc<Owned>) -> Self {
        let mut with = self.cleared();
        with.user_records.extend_from_slice(&self.user_records);
        with.user_records.push(Rc::clone(user_record));
        with
    }

    /// Both tables, and the indices of each user record.
    fn tables(&self) -> (Tables, Vec<(u64, Option<u64>)>) {
        let mut tables = Tables::default();
        let mut index = |table, key: &[u8]| tables.index(table, key, self.slot_count);
        let indices = self
            .user_records
            .iter()
            .map(|user_record| {
                let key = user_record.partition_key.as_bytes();
                let partition_key = index(Table::PartitionKeys, key);
                let explicit_hash_key = user_record.explicit_hash_key.map(|number| {
                    let key = number.to_string();
                    index(Table::ExplicitHashKeys, key.as_bytes())
                });
                (partition_key, explicit_hash_key)
            })
            .collect();
        (tables, indices)
    }

    /// The blob.
    #[must_use]
    pub fn blob(&self) -> Vec<u8> {
        let (tables, indices) = self.tables();
        let mut message = [
            tables.entries(Table::PartitionKeys, wire::partition_key),
            tables.entries(Table::ExplicitHashKeys, wire::explicit_hash_key),
        ]
        .concat();
        for (user_record, (partition_key, explicit_hash_key)) in
            self.user_records.iter().zip(indices)
        {
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
            message.extend(wire::bytes(3, &body));
        }
        reseal(&message)
    }

    fn lens(&self) -> (usize, usize) {
        *self.lens.get_or_init(|| self.compute_lens())
    }

    fn compute_lens(&self) -> (usize, usize) {
        let (tables, indices) = self.tables();
        let keys = tables.keys.iter().map(|(_, key)| field_len(key.len()));
        let records = self.user_records.iter().zip(indices).map(|(record, of)| {
            let (partition_key, explicit_hash_key) = of;
            let tags = record.tags.iter().map(|(key, value)| {
                let value = value.as_ref().map_or(0, |value| field_len(value.len()));
                field_len(field_len(key.len()) + value)
            });
            let indices = [Some(partition_key), explicit_hash_key]
                .into_iter()
                .flatten();
            let indices = indices.map(|index| 1 + wire::varint(index).len());
            let body = indices.sum::<usize>() + field_len(record.data.len()) + tags.sum::<usize>();
            field_len(body)
        });
        (keys.sum(), records.sum())
    }

    /// The length of the blob.
    #[must_use]
    pub fn blob_len(&self) -> usize {
        let (keys, records) = self.lens();
        MAGIC.len() + keys + records + 16
    }

    /// The length of the blob and of its keys once more.
    #[must_use]
    pub fn roomy_len(&self) -> usize {
        self.blob_len() + self.lens().0
    }

    /// What the Kinesis record is put under.
    #[must_use]
    pub fn outer(&self, outer_key: OuterKey) -> (&str, Option<HashKey>) {
        let first = &self.user_records[0];
        let explicit_hash_key = first.explicit_hash_key.map(HashKey::new);
        match outer_key {
            OuterKey::FirstUserRecord => (&first.partition_key, explicit_hash_key),
            OuterKey::Kpl => {
                let md5 = crate::hash_key::md5(first.partition_key.as_bytes());
                ("a", explicit_hash_key.or(Some(HashKey::new(md5))))
            }
        }
    }

    /// The length of the Kinesis record: the blob, and the outer partition key.
    #[must_use]
    pub fn size(&self, outer_key: OuterKey) -> usize {
        self.blob_len() + self.outer(outer_key).0.len()
    }
}

/// The length of a field whose content has that many bytes.
fn field_len(len: usize) -> usize {
    1 + wire::varint(u64::try_from(len).unwrap()).len() + len
}
