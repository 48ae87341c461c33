//! JSON documents of any kind that hold Kinesis records.

use serde::de::{Deserialize, Deserializer, Error as _};
use serde_json::value::RawValue;

use crate::lambda::event::EventError;
use crate::lambda::json_fields::{JsonFields, string_of};
use crate::lambda::record::{EventRecord, is_record};

/// The records of any kind of JSON document in which AWS stores Kinesis records, for
/// programs that do not know the kind in advance: readers of archives, dead letters or
/// test data.
///
/// | Document | Its records |
/// |---|---|
/// | an object with `kinesis`, `data` or `Data` | the document itself is the only record, whatever other fields it has |
/// | an event of Lambda, Firehose or Analytics, a `GetRecords` response | the elements of `Records` or `records` |
/// | an array, as EventBridge Pipes sends it | the records of each element, by this table |
/// | `{"SubscribeToShardEvent": …}`, as boto3 prints it | the records of the inner object |
/// | an on-failure document of Lambda | the records of the event in `payload` (event source mappings, S3 only) or `requestPayload` (asynchronous invocations), which may be JSON or escaped JSON text |
///
/// Anything else counts as one record, which then cannot be read. A field that is `null`
/// counts as missing.
///
/// ```
/// use kinesis_agg::EnclosingRecord;
/// use kinesis_agg::lambda::EventDocument;
///
/// let on_failure = r#"{
///     "requestContext": {"condition": "RetryAttemptsExhausted"},
///     "KinesisBatchInfo": {"shardId": "shardId-000000000001", "batchSize": 1},
///     "payload": "{\"Records\":[{\"kinesis\":{\"sequenceNumber\":\"4959\",\"data\":\"eA==\"}}]}"
/// }"#;
/// for record in EventDocument::parse(on_failure)? {
///     let record = record?;
///     assert_eq!((record.sequence_number(), record.data()), (Some("4959"), &b"x"[..]));
/// }
/// # Ok::<(), kinesis_agg::lambda::EventError>(())
/// ```
#[derive(Clone, Debug)]
pub struct EventDocument {
    records: Vec<Box<RawValue>>,
}

/// The maximum number of nested wrappers. An on-failure document around an array of
/// `SubscribeToShardEvent` has three. Each level is parsed again, so the limit keeps the
/// time linear.
const MAX_WRAPPERS: u8 = 3;

impl EventDocument {
    /// Finds the records of a document. The iterator decodes them one by one.
    ///
    /// # Errors
    ///
    /// - [`EventError::NotAnEvent`]: the text is not JSON, or is neither an object
    ///   nor an array
    /// - [`EventError::WrongType`]: the list of records is not an array, or the
    ///   text in `payload` is not JSON
    /// - [`EventError::TwoLists`]: the document has both `Records` and `records`
    /// - [`EventError::NoPayload`]: an on-failure document does not contain the event
    pub fn parse(json: &str) -> Result<Self, EventError> {
        let document = RawValue::from_string(json.to_owned());
        Self::from_raw(document.map_err(|_| EventError::NotAnEvent)?)
    }

    /// Like [`parse`](Self::parse), for a [`RawValue`].
    ///
    /// # Errors
    ///
    /// Same as [`parse`](Self::parse).
    pub fn from_raw(document: Box<RawValue>) -> Result<Self, EventError> {
        let mut records = Vec::new();
        unwrap(document, MAX_WRAPPERS, &mut records)?;
        Ok(Self { records })
    }
}

/// Appends the records of a document to `records`.
fn unwrap(
    document: Box<RawValue>,
    wrappers: u8,
    records: &mut Vec<Box<RawValue>>,
) -> Result<(), EventError> {
    let inner = match document.get().bytes().next() {
        Some(b'[') => return unwrap_all(&document, wrappers, records),
        Some(b'{') => inside(&document, records)?,
        _ => return Err(EventError::NotAnEvent),
    };
    match (inner, wrappers.checked_sub(1)) {
        (Inside::Records, _) => Ok(()),
        (Inside::Document(inner), Some(wrappers)) => unwrap(inner, wrappers, records),
        (Inside::Document(_), None) | (Inside::Nothing, _) => {
            records.push(document);
            Ok(())
        }
    }
}

/// Appends the records of the documents in an array.
fn unwrap_all(
    array: &RawValue,
    wrappers: u8,
    records: &mut Vec<Box<RawValue>>,
) -> Result<(), EventError> {
    let elements = serde_json::from_str::<Vec<Box<RawValue>>>(array.get());
    for element in elements.map_err(|_| EventError::NotAnEvent)? {
        match (element.get().bytes().next(), wrappers.checked_sub(1)) {
            (Some(b'{'), Some(wrappers)) => unwrap(element, wrappers, records)?,
            // Not a document; the iterator reports it as an invalid record.
            _ => records.push(element),
        }
    }
    Ok(())
}

/// What was found inside an object.
enum Inside {
    /// A list of records, which were appended.
    Records,
    /// A document in a wrapper.
    Document(Box<RawValue>),
    /// Neither: the object is a record, or of an unknown kind.
    Nothing,
}

/// Looks into an object, and appends its records if it has a list of them.
fn inside(document: &RawValue, records: &mut Vec<Box<RawValue>>) -> Result<Inside, EventError> {
    let fields = JsonFields::parse(document.get()).map_err(|_| EventError::NotAnEvent)?;
    if is_record(&fields) {
        return Ok(Inside::Nothing);
    }
    let list = |name| fields.get_non_null(name).map(|list| (name, list));
    let list = match (list("Records"), list("records")) {
        (Some(_), Some(_)) => return Err(EventError::TwoLists),
        (list, other) => list.or(other),
    };
    if let Some((name, list)) = list {
        let expected = "an array";
        let list: Vec<_> = serde_json::from_str(list.get())
            .map_err(|_| EventError::WrongType { name, expected })?;
        records.extend(list);
        return Ok(Inside::Records);
    }
    if let Some(pushed) = fields.get_non_null("SubscribeToShardEvent") {
        return Ok(Inside::Document(pushed.to_owned()));
    }
    for name in ["payload", "requestPayload"] {
        if let Some(event) = fields.get_non_null(name) {
            return payload(name, event).map(Inside::Document);
        }
    }
    match fields.get_non_null("KinesisBatchInfo") {
        Some(batch) => Err(no_payload(batch)),
        None => Ok(Inside::Nothing),
    }
}

/// Returns the event in an on-failure document: JSON, or JSON as escaped text.
fn payload(name: &'static str, event: &RawValue) -> Result<Box<RawValue>, EventError> {
    match string_of(event) {
        None => Ok(event.to_owned()),
        Some(text) => {
            let expected = "JSON text";
            let event = RawValue::from_string(text.into_owned());
            event.map_err(|_| EventError::WrongType { name, expected })
        }
    }
}

fn no_payload(batch: &RawValue) -> EventError {
    let batch = JsonFields::parse(batch.get()).unwrap_or_default();
    let text = |name| batch.text(name).map_or_else(|| "?".to_owned(), Into::into);
    EventError::NoPayload {
        shard_id: text("shardId"),
        start_sequence_number: text("startSequenceNumber"),
        end_sequence_number: text("endSequenceNumber"),
    }
}

impl<'de> Deserialize<'de> for EventDocument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let document = Box::<RawValue>::deserialize(deserializer)?;
        Self::from_raw(document).map_err(D::Error::custom)
    }
}

impl IntoIterator for EventDocument {
    type Item = Result<EventRecord, EventError>;
    type IntoIter = EventRecords;

    fn into_iter(self) -> EventRecords {
        EventRecords(self.records.into_iter().enumerate())
    }
}

/// Iterates over the records of an [`EventDocument`], decoding each when it is
/// reached.
///
/// # Errors
///
/// An item is [`EventError::Record`] if the record cannot be read. The iterator continues
/// with the next one.
#[derive(Debug)]
pub struct EventRecords(core::iter::Enumerate<alloc::vec::IntoIter<Box<RawValue>>>);

impl Iterator for EventRecords {
    type Item = Result<EventRecord, EventError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (index, json) = self.0.next()?;
        let record = EventRecord::parse(json.get());
        Some(record.map_err(|error| EventError::Record { index, error }))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for EventRecords {}

impl core::iter::FusedIterator for EventRecords {}
