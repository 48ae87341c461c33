//! JSON documents of any kind that hold Kinesis records.

use alloc::borrow::Cow;
use core::ops::ControlFlow;

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
        Self::for_each_record(&document, |record| {
            records.push(record.to_owned());
            ControlFlow::Continue(())
        })?;
        Ok(Self { records })
    }

    /// Calls `visit` with the JSON of each record, in order, until it breaks.
    ///
    /// Copies neither the document nor a record; only an event that is escaped text in
    /// an on-failure document is unescaped into memory of its own.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse). Records before the fault have been visited.
    pub fn for_each_record(
        document: &RawValue,
        mut visit: impl FnMut(&RawValue) -> ControlFlow<()>,
    ) -> Result<(), EventError> {
        walk(document, MAX_WRAPPERS, &mut visit).map(drop)
    }
}

type Visit<'v> = dyn FnMut(&RawValue) -> ControlFlow<()> + 'v;

/// Visits the records of a document.
fn walk(
    document: &RawValue,
    wrappers: u8,
    visit: &mut Visit<'_>,
) -> Result<ControlFlow<()>, EventError> {
    let inner = match document.get().bytes().next() {
        Some(b'[') => return walk_all(document, wrappers, visit),
        Some(b'{') => inside(document)?,
        _ => return Err(EventError::NotAnEvent),
    };
    match (inner, wrappers.checked_sub(1)) {
        (Inside::Records(list), _) => Ok(elements(list).try_for_each(visit)),
        (Inside::Document(inner), Some(wrappers)) => walk(&inner, wrappers, visit),
        (Inside::Document(_), None) | (Inside::Nothing, _) => Ok(visit(document)),
    }
}

/// Visits the records of the documents in an array.
fn walk_all(
    array: &RawValue,
    wrappers: u8,
    visit: &mut Visit<'_>,
) -> Result<ControlFlow<()>, EventError> {
    for element in elements(array) {
        let flow = match (element.get().bytes().next(), wrappers.checked_sub(1)) {
            (Some(b'{'), Some(wrappers)) => walk(element, wrappers, visit)?,
            // Not a document; the caller reports it as an invalid record.
            _ => visit(element),
        };
        if flow.is_break() {
            return Ok(flow);
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Iterates over the elements of an array without collecting them.
fn elements(array: &RawValue) -> impl Iterator<Item = &RawValue> {
    let mut rest = array.get().strip_prefix('[').unwrap_or_default();
    core::iter::from_fn(move || {
        let start = rest.trim_start();
        let start = start.strip_prefix(',').unwrap_or(start);
        // At the end of the array this is no value.
        let mut values = serde_json::Deserializer::from_str(start).into_iter::<&RawValue>();
        let element = values.next()?.ok()?;
        rest = start.get(values.byte_offset()..).unwrap_or_default();
        Some(element)
    })
}

/// What was found inside an object.
enum Inside<'a> {
    /// The array of records.
    Records(&'a RawValue),
    /// A document in a wrapper.
    Document(Cow<'a, RawValue>),
    /// Neither: the object is a record, or of an unknown kind.
    Nothing,
}

/// Looks into an object.
fn inside(document: &RawValue) -> Result<Inside<'_>, EventError> {
    let mut fields = JsonFields::parse(document.get()).map_err(|_| EventError::NotAnEvent)?;
    if is_record(&fields) {
        return Ok(Inside::Nothing);
    }
    let mut non_null = |name| {
        fields
            .take_borrowed(name)
            .filter(|value| value.get() != "null")
    };
    let list = match (non_null("Records"), non_null("records")) {
        (Some(_), Some(_)) => return Err(EventError::TwoLists),
        (Some(list), None) => Some(("Records", list)),
        (None, list) => list.map(|list| ("records", list)),
    };
    if let Some((name, list)) = list {
        let expected = "an array";
        return match list.get().starts_with('[') {
            true => Ok(Inside::Records(list)),
            false => Err(EventError::WrongType { name, expected }),
        };
    }
    if let Some(pushed) = non_null("SubscribeToShardEvent") {
        return Ok(Inside::Document(Cow::Borrowed(pushed)));
    }
    for name in ["payload", "requestPayload"] {
        if let Some(event) = non_null(name) {
            return payload(name, event).map(Inside::Document);
        }
    }
    match non_null("KinesisBatchInfo") {
        Some(batch) => Err(no_payload(batch)),
        None => Ok(Inside::Nothing),
    }
}

/// Returns the event in an on-failure document: JSON, or JSON as escaped text.
fn payload<'a>(name: &'static str, event: &'a RawValue) -> Result<Cow<'a, RawValue>, EventError> {
    match string_of(event) {
        None => Ok(Cow::Borrowed(event)),
        Some(text) => {
            let expected = "JSON text";
            let event = RawValue::from_string(text.into_owned());
            let event = event.map_err(|_| EventError::WrongType { name, expected })?;
            Ok(Cow::Owned(event))
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
