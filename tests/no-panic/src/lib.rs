//! One exported root for every public function of the codec, named `Type__function`, and a
//! panic handler that cannot be linked: any code that can panic causes an undefined symbol.
//! Roots take their values as arguments, about which the optimizer knows nothing.
#![no_std]
#![allow(non_snake_case, reason = "roots are named Type__function")]

use core::fmt::{self, Write as _};
use core::pin::pin;
use core::str::Utf8Error;
use core::task::{Context, Poll};

use heapless::Vec;
use kinesis_agg_codec::*;

unsafe extern "C" {
    fn CODEC_PANIC_REACHABLE() -> !;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: nothing defines the function, so it never runs; only its name in the list of
    // undefined symbols matters.
    unsafe { CODEC_PANIC_REACHABLE() }
}

/// Writes text into borrowed memory; fails if the text does not fit.
pub struct Text<'out> {
    rest: &'out mut [u8],
}

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let (head, tail) = core::mem::take(&mut self.rest)
            .split_at_mut_checked(text.len())
            .ok_or(fmt::Error)?;
        head.copy_from_slice(text.as_bytes());
        self.rest = tail;
        Ok(())
    }
}

type Buffer<'a> = &'a mut [u8];
type ArrayRecords<'a> = UserRecords<'a>;
type SliceRecords<'a> = UserRecords<'a, &'a mut [ReadSlot]>;
type ArrayWriter<'a> = AggregateWriter<Buffer<'a>>;
type SliceWriter<'a> = AggregateWriter<[u8; 4096], KeySlots<&'a mut [WriteSlot]>>;

type DynSink<'a> = &'a mut dyn FnMut(&[u8]) -> Result<(), Utf8Error>;

unsafe extern "C" {
    safe fn memcmp(a: *const u8, b: *const u8, len: usize) -> i32;
}

/// A device that accepts bytes and can fail, about which the optimizer knows nothing.
pub struct Device;

impl embedded_io::ErrorType for Device {
    type Error = embedded_io::ErrorKind;
}

impl embedded_io::Write for Device {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, embedded_io::ErrorKind> {
        // Any number: all of the bytes, fewer, none, or more.
        match memcmp(bytes.as_ptr(), bytes.as_ptr(), bytes.len()) {
            ..0 => Err(embedded_io::ErrorKind::Other),
            written => Ok(usize::try_from(written).unwrap_or(0)),
        }
    }

    fn flush(&mut self) -> Result<(), embedded_io::ErrorKind> {
        Ok(())
    }
}

// Is always ready, so that one poll of a future runs all of it.
impl embedded_io_async::Write for Device {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, embedded_io::ErrorKind> {
        embedded_io::Write::write(self, bytes)
    }

    async fn flush(&mut self) -> Result<(), embedded_io::ErrorKind> {
        Ok(())
    }
}

type AsyncWriter = AsyncStreamWriter<Device>;
type AsyncError = StreamError<EmbeddedIoError<embedded_io::ErrorKind>>;

/// Polls once.
fn poll<F: Future>(future: F, context: &mut Context<'_>) -> Poll<F::Output> {
    pin!(future).poll(context)
}

macro_rules! roots {
    ($(fn $name:ident $(<$life:lifetime>)? ($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block)*) => {
        $(
            #[unsafe(no_mangle)]
            pub fn $name $(<$life>)? ($($arg: $ty),*) $(-> $ret)? $body
        )*
    };
}

// Reading.
roots! {
    fn parse(blob: &[u8]) -> Result<Parsed<'_>, DecodeError> {
        kinesis_agg_codec::parse(blob)
    }
    fn parse_with_digest(blob: &[u8], digest: Digest) -> Result<Parsed<'_>, DecodeError> {
        kinesis_agg_codec::parse_with_digest(blob, digest)
    }
    fn parse_without_digest(blob: &[u8]) -> Result<Parsed<'_>, DecodeError> {
        kinesis_agg_codec::parse_without_digest(blob)
    }
    fn Frame__split(blob: &[u8]) -> Result<Frame<'_>, PlainReason> {
        Frame::split(blob)
    }
    fn Frame__message<'a>(frame: &Frame<'a>) -> &'a [u8] {
        frame.message()
    }
    fn Frame__digest(frame: &Frame<'_>) -> Digest {
        frame.digest()
    }
    fn AggregatedRecord__record_count(aggregated: &AggregatedRecord<'_>) -> usize {
        aggregated.record_count()
    }
    fn AggregatedRecord__partition_key_count(aggregated: &AggregatedRecord<'_>) -> usize {
        aggregated.partition_key_count()
    }
    fn AggregatedRecord__explicit_hash_key_count(aggregated: &AggregatedRecord<'_>) -> usize {
        aggregated.explicit_hash_key_count()
    }
    fn AggregatedRecord__key_count(aggregated: &AggregatedRecord<'_>) -> usize {
        aggregated.key_count()
    }
    fn AggregatedRecord__message<'a>(aggregated: &AggregatedRecord<'a>) -> &'a [u8] {
        aggregated.message()
    }
    fn AggregatedRecord__partition_keys<'a>(aggregated: &AggregatedRecord<'a>) -> Keys<'a> {
        aggregated.partition_keys()
    }
    fn AggregatedRecord__explicit_hash_keys<'a>(aggregated: &AggregatedRecord<'a>) -> Keys<'a> {
        aggregated.explicit_hash_keys()
    }
    fn AggregatedRecord__user_records<'a>(aggregated: &AggregatedRecord<'a>) -> ArrayRecords<'a> {
        aggregated.user_records()
    }
    fn AggregatedRecord__user_records_in<'a>(
        aggregated: &AggregatedRecord<'a>,
        slots: &'a mut [ReadSlot],
    ) -> SliceRecords<'a> {
        aggregated.user_records_in(slots)
    }
    fn AggregatedRecord__into_iter<'a>(
        aggregated: &AggregatedRecord<'a>,
    ) -> (ArrayRecords<'a>, ArrayRecords<'a>) {
        (aggregated.into_iter(), (*aggregated).into_iter())
    }
    fn Keys__next<'a>(keys: &mut Keys<'a>) -> Option<KeyBytes<'a>> {
        keys.next()
    }
    fn Keys__size_hint(keys: &Keys<'_>) -> ((usize, Option<usize>), usize) {
        (keys.size_hint(), keys.len())
    }
    fn UserRecord__partition_key<'a>(user_record: &UserRecord<'a>) -> KeyBytes<'a> {
        user_record.partition_key()
    }
    fn UserRecord__explicit_hash_key<'a>(user_record: &UserRecord<'a>) -> Option<KeyBytes<'a>> {
        user_record.explicit_hash_key()
    }
    fn UserRecord__data<'a>(user_record: &UserRecord<'a>) -> &'a [u8] {
        user_record.data()
    }
    fn UserRecord__sub_sequence_number(user_record: &UserRecord<'_>) -> u64 {
        user_record.sub_sequence_number()
    }
    fn UserRecord__tags<'a>(user_record: &UserRecord<'a>) -> RecordTags<'a> {
        user_record.tags()
    }
    fn UserRecord__hash_key(user_record: &UserRecord<'_>) -> Result<HashKey, HashKeyError> {
        user_record.hash_key()
    }
    fn UserRecords__next<'a>(
        array: &mut ArrayRecords<'a>,
        slice: &mut SliceRecords<'a>,
        none: &mut UserRecords<'a, [ReadSlot; 0]>,
    ) -> [Option<UserRecord<'a>>; 3] {
        [array.next(), slice.next(), none.next()]
    }
    fn UserRecords__size_hint(
        array: &ArrayRecords<'_>,
        slice: &SliceRecords<'_>,
    ) -> ((usize, Option<usize>), usize) {
        (array.size_hint(), slice.len())
    }
    fn UserRecords__into_cursor(array: ArrayRecords<'_>) -> UserRecordCursor<[ReadSlot; 16]> {
        array.into_cursor()
    }
    fn UserRecords__into_slots<'a>(
        array: ArrayRecords<'_>,
        slice: SliceRecords<'a>,
    ) -> ([ReadSlot; 16], &'a mut [ReadSlot]) {
        (array.into_slots(), slice.into_slots())
    }
    fn UserRecordCursor__remaining(cursor: &UserRecordCursor<[ReadSlot; 16]>) -> usize {
        cursor.remaining()
    }
    fn UserRecordCursor__advance<'a>(
        cursor: &mut UserRecordCursor<&'a mut [ReadSlot]>,
        message: &'a [u8],
    ) -> Option<UserRecord<'a>> {
        cursor.advance(message)
    }
    fn Parsed__aggregated(parsed: Parsed<'_>) -> Option<AggregatedRecord<'_>> {
        parsed.aggregated()
    }
    fn UserRecord__eq(a: &UserRecord<'_>, b: &UserRecord<'_>) -> bool {
        a == b
    }
    fn UserRecord__fmt(out: &mut Text<'_>, user_record: &UserRecord<'_>) -> fmt::Result {
        write!(out, "{user_record:?}")
    }
    fn NewUserRecord__try_from<'a>(
        user_record: &UserRecord<'a>,
    ) -> Result<NewUserRecord<'a>, RewriteError> {
        NewUserRecord::try_from(user_record)
    }
    fn RewriteError__fmt(out: &mut Text<'_>, error: &RewriteError) -> fmt::Result {
        write!(out, "{error}{error:?}")
    }
    fn RecordTag__encoded_len(tag: &RecordTag<'_>) -> u32 {
        tag.encoded_len()
    }
    fn RecordTag__encode_into<'a>(
        tag: &RecordTag<'_>,
        out: &'a mut [u8],
    ) -> Result<&'a [u8], EncodeError> {
        tag.encode_into(out)
    }
    fn RecordTags__parse(fields: &[u8]) -> Result<RecordTags<'_>, DecodeError> {
        RecordTags::parse(fields)
    }
    fn RecordTags__as_encoded<'a>(tags: &RecordTags<'a>) -> Option<&'a [u8]> {
        tags.as_encoded()
    }
    fn RecordTags__iter<'a>(tags: &RecordTags<'a>) -> RecordTagsIter<'a> {
        tags.iter()
    }
    fn RecordTags__into_iter<'a>(
        tags: RecordTags<'a>,
        lent: &RecordTags<'a>,
    ) -> [RecordTagsIter<'a>; 2] {
        [tags.into_iter(), lent.into_iter()]
    }
    fn RecordTags__eq(a: &RecordTags<'_>, b: &RecordTags<'_>) -> bool {
        a == b
    }
    fn RecordTags__fmt(out: &mut Text<'_>, tags: &RecordTags<'_>) -> fmt::Result {
        write!(out, "{tags:?}")
    }
    fn RecordTagsIter__next<'a>(tags: &mut RecordTagsIter<'a>) -> Option<RecordTag<'a>> {
        tags.next()
    }
    fn RecordTagsIter__size_hint(tags: &RecordTagsIter<'_>) -> (usize, Option<usize>) {
        tags.size_hint()
    }
    fn RecordTagsIter__fmt(out: &mut Text<'_>, tags: &RecordTagsIter<'_>) -> fmt::Result {
        write!(out, "{tags:?}")
    }
    fn RecordTags__is_empty(tags: &RecordTags<'_>) -> bool {
        tags.is_empty()
    }
    fn RecordTags__default<'a>() -> RecordTags<'a> {
        RecordTags::default()
    }
    fn RecordTags__from<'a>(tags: &'a [RecordTag<'a>]) -> RecordTags<'a> {
        RecordTags::from(tags)
    }
}

// Keys, digests and hash keys.
roots! {
    fn KeyBytes__new(bytes: &[u8]) -> KeyBytes<'_> {
        KeyBytes::new(bytes)
    }
    fn KeyBytes__as_bytes<'a>(key: &KeyBytes<'a>) -> &'a [u8] {
        key.as_bytes()
    }
    fn KeyBytes__to_str<'a>(key: &KeyBytes<'a>) -> Result<&'a str, Utf8Error> {
        key.to_str()
    }
    fn KeyBytes__from<'a>(text: &'a str, bytes: &'a [u8]) -> [KeyBytes<'a>; 2] {
        [KeyBytes::from(text), KeyBytes::from(bytes)]
    }
    fn KeyBytes__as_ref<'a>(key: &'a KeyBytes<'_>) -> &'a [u8] {
        key.as_ref()
    }
    fn derived__compare_key_bytes(key: &KeyBytes<'_>, text: &str, bytes: &[u8]) -> [bool; 4] {
        [*key == *text, *text == *key, *key == *bytes, *key == bytes]
    }
    fn KeyBytes__fmt(out: &mut Text<'_>, key: &KeyBytes<'_>) -> fmt::Result {
        write!(out, "{key}{key:?}")
    }
    fn Digest__of(bytes: &[u8]) -> Digest {
        Digest::of(bytes)
    }
    fn Digest__from(bytes: [u8; 16]) -> Digest {
        Digest::from(bytes)
    }
    fn Digest__to_bytes(digest: Digest) -> [u8; 16] {
        digest.to_bytes()
    }
    fn HashKey__new(number: u128) -> HashKey {
        HashKey::new(number)
    }
    fn HashKey__to_u128(hash_key: HashKey) -> u128 {
        hash_key.to_u128()
    }
    fn HashKey__of_partition_key(key: &[u8]) -> HashKey {
        HashKey::of_partition_key(key)
    }
    fn HashKey__from(digest: Digest, number: u128) -> ([HashKey; 2], u128) {
        let hash_keys = [HashKey::from(digest), HashKey::from(number)];
        (hash_keys, u128::from(hash_keys[0]))
    }
    fn HashKey__from_decimal(text: &[u8]) -> Result<HashKey, HashKeyError> {
        HashKey::from_decimal(text)
    }
    fn HashKey__from_str(text: &str) -> Result<HashKey, HashKeyError> {
        text.parse()
    }
    fn HashKey__to_decimal(hash_key: HashKey) -> HashKeyDecimal {
        hash_key.to_decimal()
    }
    fn HashKey__fmt(out: &mut Text<'_>, hash_key: HashKey, width: u16) -> fmt::Result {
        write!(out, "{hash_key} {hash_key:>width$}", width = usize::from(width))
    }
    fn HashKeyDecimal__as_bytes(decimal: &HashKeyDecimal) -> &[u8] {
        decimal.as_bytes()
    }
    fn HashKeyDecimal__as_str(decimal: &HashKeyDecimal) -> &str {
        decimal.as_str()
    }
    fn HashKeyDecimal__as_ref(decimal: &HashKeyDecimal) -> &str {
        decimal.as_ref()
    }
    fn HashKeyDecimal__fmt(
        out: &mut Text<'_>,
        decimal: &HashKeyDecimal,
        width: u16,
    ) -> fmt::Result {
        write!(out, "{decimal} {decimal:>width$} {decimal:?}", width = usize::from(width))
    }
    fn HashKeyRange__new(start: HashKey, end: HashKey) -> Result<HashKeyRange, ReversedRangeError> {
        HashKeyRange::new(start, end)
    }
    fn HashKeyRange__starting_hash_key(range: &HashKeyRange) -> HashKey {
        range.starting_hash_key()
    }
    fn HashKeyRange__ending_hash_key(range: &HashKeyRange) -> HashKey {
        range.ending_hash_key()
    }
    fn HashKeyRange__contains(range: &HashKeyRange, hash_key: HashKey) -> bool {
        range.contains(hash_key)
    }
    fn Limits__new() -> Limits {
        Limits::new()
    }
    fn Limits__default() -> Limits {
        Limits::default()
    }
    fn Limits__with_max_size(limits: Limits, max_size: u32) -> Result<Limits, LimitError> {
        limits.with_max_size(max_size)
    }
    fn Limits__with_max_count(limits: Limits, max_count: usize) -> Result<Limits, LimitError> {
        limits.with_max_count(max_count)
    }
    fn Limits__max_size(limits: &Limits) -> u32 {
        limits.max_size()
    }
    fn Limits__max_count(limits: &Limits) -> usize {
        limits.max_count()
    }
}

// Errors. `MissingField` and similar types are reached through their outermost type, and
// directly.
roots! {
    fn DecodeError__kind(error: &DecodeError) -> DecodeErrorKind {
        error.kind()
    }
    fn DecodeError__offset(error: &DecodeError) -> usize {
        error.offset()
    }
    fn DecodeError__fmt(out: &mut Text<'_>, error: &DecodeError) -> fmt::Result {
        write!(out, "{error}")
    }
    fn DecodeErrorKind__fmt(out: &mut Text<'_>, kind: &DecodeErrorKind) -> fmt::Result {
        write!(out, "{kind}")
    }
    fn RequiredField__fmt(out: &mut Text<'_>, field: &RequiredField) -> fmt::Result {
        write!(out, "{field}")
    }
    fn PlainReason__fmt(out: &mut Text<'_>, reason: &PlainReason) -> fmt::Result {
        write!(out, "{reason}")
    }
    fn EncodeError__is_full(error: &EncodeError) -> bool {
        error.is_full()
    }
    fn EncodeError__fmt(out: &mut Text<'_>, error: &EncodeError) -> fmt::Result {
        write!(out, "{error}")
    }
    fn EncodedPart__fmt(out: &mut Text<'_>, part: &EncodedPart) -> fmt::Result {
        write!(out, "{part}")
    }
    fn HashKeyError__fmt(out: &mut Text<'_>, error: &HashKeyError) -> fmt::Result {
        write!(out, "{error}")
    }
    fn ReversedRangeError__fmt(out: &mut Text<'_>, error: &ReversedRangeError) -> fmt::Result {
        write!(out, "{error}")
    }
    fn LimitError__fmt(out: &mut Text<'_>, error: &LimitError) -> fmt::Result {
        write!(out, "{error}")
    }
}

// Writing.
roots! {
    fn KeySlots__new(slots: &mut [WriteSlot]) -> KeySlots<&mut [WriteSlot]> {
        KeySlots::new(slots)
    }
    fn KeySlots__into_slots(slots: KeySlots<&mut [WriteSlot]>) -> &mut [WriteSlot] {
        slots.into_slots()
    }
    fn KeySlots__default() -> KeySlots {
        KeySlots::default()
    }
    fn KeySlots__find(
        slots: &KeySlots<&mut [WriteSlot]>,
        key: &[u8],
        same: &mut dyn FnMut(WriteSlot) -> bool,
    ) -> Option<WriteSlot> {
        slots.find(key, same)
    }
    fn KeySlots__insert(
        slots: &mut KeySlots<&mut [WriteSlot]>,
        key: &[u8],
        slot: WriteSlot,
    ) {
        slots.insert(key, slot)
    }
    fn KeySlots__clear(slots: &mut KeySlots<&mut [WriteSlot]>) {
        slots.clear()
    }
    fn SectionWriter__new(buffer: Buffer<'_>) -> SectionWriter<Buffer<'_>> {
        SectionWriter::new(buffer)
    }
    fn SectionWriter__record_count(writer: &SectionWriter<Buffer<'_>>) -> usize {
        writer.record_count()
    }
    fn SectionWriter__encoded_len(writer: &SectionWriter<Buffer<'_>>) -> u32 {
        writer.encoded_len()
    }
    fn SectionWriter__clear(writer: &mut SectionWriter<Buffer<'_>>) {
        writer.clear()
    }
    fn SectionWriter__into_buffer(writer: SectionWriter<Buffer<'_>>) -> Buffer<'_> {
        writer.into_buffer()
    }
    fn SectionWriter__add_partition_key(
        slice: &mut SectionWriter<Buffer<'_>>,
        array: &mut SectionWriter<[u8; 256]>,
        key: &[u8],
    ) -> [Result<PartitionKeyIndex, EncodeError>; 2] {
        [slice.add_partition_key(key), array.add_partition_key(key)]
    }
    fn SectionWriter__add_explicit_hash_key(
        slice: &mut SectionWriter<Buffer<'_>>,
        array: &mut SectionWriter<[u8; 256]>,
        key: &[u8],
    ) -> [Result<ExplicitHashKeyIndex, EncodeError>; 2] {
        [slice.add_explicit_hash_key(key), array.add_explicit_hash_key(key)]
    }
    fn SectionWriter__push(
        slice: &mut SectionWriter<Buffer<'_>>,
        array: &mut SectionWriter<[u8; 256]>,
        partition_key: PartitionKeyIndex,
        explicit_hash_key: Option<ExplicitHashKeyIndex>,
        data: &[u8],
        tags: &RecordTags<'_>,
    ) -> [Result<(), EncodeError>; 2] {
        [
            slice.push(partition_key, explicit_hash_key, data, tags.clone()),
            array.push(partition_key, explicit_hash_key, data, tags.clone()),
        ]
    }
    fn SectionWriter__finish<'a>(
        slice: &'a mut SectionWriter<Buffer<'_>>,
        array: &'a mut SectionWriter<[u8; 256]>,
    ) -> [Result<&'a [u8], EncodeError>; 2] {
        [slice.finish(), array.finish()]
    }
    fn SectionWriter__finish_unsealed<'a>(
        slice: &'a mut SectionWriter<Buffer<'_>>,
    ) -> Result<UnsealedBlob<'a>, EncodeError> {
        slice.finish_unsealed()
    }
    fn UnsealedBlob__message<'a>(blob: &'a UnsealedBlob<'_>) -> &'a [u8] {
        blob.message()
    }
    fn UnsealedBlob__seal(blob: UnsealedBlob<'_>, digest: Digest) -> &[u8] {
        blob.seal(digest)
    }
    fn UnsealedAggregate__message<'a>(aggregate: &'a UnsealedAggregate<'_>) -> &'a [u8] {
        aggregate.message()
    }
    fn UnsealedAggregate__seal(aggregate: UnsealedAggregate<'_>, digest: Digest) -> Aggregate<'_> {
        aggregate.seal(digest)
    }
    fn Aggregate__data<'a>(aggregate: &Aggregate<'a>) -> &'a [u8] {
        aggregate.data()
    }
    fn Aggregate__partition_key<'a>(aggregate: &Aggregate<'a>) -> &'a str {
        aggregate.partition_key()
    }
    fn Aggregate__explicit_hash_key(aggregate: &Aggregate<'_>) -> Option<HashKey> {
        aggregate.explicit_hash_key()
    }
    fn Aggregate__fmt(out: &mut Text<'_>, aggregate: &Aggregate<'_>) -> fmt::Result {
        write!(out, "{aggregate:?}")
    }
    fn UnsealedBlob__fmt(out: &mut Text<'_>, blob: &UnsealedBlob<'_>) -> fmt::Result {
        write!(out, "{blob:?}")
    }
    fn UnsealedAggregate__fmt(out: &mut Text<'_>, aggregate: &UnsealedAggregate<'_>) -> fmt::Result {
        write!(out, "{aggregate:?}")
    }
    fn SectionWriter__fmt(out: &mut Text<'_>, writer: &SectionWriter<Buffer<'_>>) -> fmt::Result {
        write!(out, "{writer:?}")
    }
    fn Aggregate__eq(aggregate: &Aggregate<'_>, other: &Aggregate<'_>) -> bool {
        aggregate == other
    }
    fn Aggregate__record_count(aggregate: &Aggregate<'_>) -> usize {
        aggregate.record_count()
    }
    fn NewUserRecord__eq(a: &NewUserRecord<'_>, b: &NewUserRecord<'_>) -> bool {
        a == b
    }
    fn NewUserRecord__new<'a>(key: &'a str, data: &'a [u8]) -> NewUserRecord<'a> {
        NewUserRecord::new(key, data)
    }
    fn NewUserRecord__with_explicit_hash_key(
        user_record: NewUserRecord<'_>,
        hash_key: Option<HashKey>,
    ) -> NewUserRecord<'_> {
        user_record.with_explicit_hash_key(hash_key)
    }
    fn NewUserRecord__with_tags<'a>(
        user_record: NewUserRecord<'a>,
        tags: RecordTags<'a>,
    ) -> NewUserRecord<'a> {
        user_record.with_tags(tags)
    }
    fn NewUserRecord__partition_key<'a>(user_record: &NewUserRecord<'a>) -> &'a str {
        user_record.partition_key()
    }
    fn NewUserRecord__explicit_hash_key(user_record: &NewUserRecord<'_>) -> Option<HashKey> {
        user_record.explicit_hash_key()
    }
    fn NewUserRecord__data<'a>(user_record: &NewUserRecord<'a>) -> &'a [u8] {
        user_record.data()
    }
    fn NewUserRecord__tags<'a>(user_record: &NewUserRecord<'a>) -> RecordTags<'a> {
        user_record.tags()
    }
    fn NewUserRecord__fmt(out: &mut Text<'_>, user_record: &NewUserRecord<'_>) -> fmt::Result {
        write!(out, "{user_record:?}")
    }
    fn NewUserRecord__hash_key(user_record: &NewUserRecord<'_>) -> HashKey {
        user_record.hash_key()
    }
    fn NewUserRecord__encoded_len_alone(user_record: &NewUserRecord<'_>) -> u32 {
        user_record.encoded_len_alone()
    }
    fn NewUserRecord__check_partition_key(
        user_record: &NewUserRecord<'_>,
    ) -> Result<(), EncodeError> {
        user_record.check_partition_key()
    }
    fn AggregateWriter__new(buffer: Buffer<'_>) -> ArrayWriter<'_> {
        AggregateWriter::new(buffer)
    }
    fn AggregateWriter__with_key_lookup<'a>(
        buffer: [u8; 4096],
        slots: &'a mut [WriteSlot],
    ) -> SliceWriter<'a> {
        AggregateWriter::with_key_lookup(buffer, KeySlots::new(slots))
    }
    fn AggregateWriter__with_limits(writer: ArrayWriter<'_>, limits: Limits) -> ArrayWriter<'_> {
        writer.with_limits(limits)
    }
    fn AggregateWriter__with_outer_key(
        writer: ArrayWriter<'_>,
        outer_key: OuterKey,
    ) -> ArrayWriter<'_> {
        writer.with_outer_key(outer_key)
    }
    fn AggregateWriter__limits(writer: &ArrayWriter<'_>) -> Limits {
        writer.limits()
    }
    fn AggregateWriter__record_count(writer: &ArrayWriter<'_>) -> usize {
        writer.record_count()
    }
    fn AggregateWriter__encoded_len(writer: &ArrayWriter<'_>) -> u32 {
        writer.encoded_len()
    }
    fn AggregateWriter__into_parts(writer: ArrayWriter<'_>) -> (Buffer<'_>, KeySlots) {
        writer.into_parts()
    }
    fn AggregateWriter__with_chosen_key<'a>(
        writer: ArrayWriter<'a>,
        key: &'a str,
    ) -> AggregateWriter<Buffer<'a>, KeySlots, &'a str> {
        writer.with_chosen_key(key)
    }
    fn AggregateWriter__outer_key<'a>(writer: &'a ArrayWriter<'_>) -> &'a OuterKey {
        writer.outer_key()
    }
    fn AggregateWriter__fmt(out: &mut Text<'_>, writer: &ArrayWriter<'_>) -> fmt::Result {
        write!(out, "{writer:?}")
    }
    fn AggregateWriter__size(writer: &ArrayWriter<'_>) -> u32 {
        writer.size()
    }
    fn AggregateWriter__encoded_len_alone(
        writer: &ArrayWriter<'_>,
        user_record: &NewUserRecord<'_>,
    ) -> u32 {
        writer.encoded_len_alone(user_record)
    }
    fn AggregateWriter__encoded_len_with(
        array: &ArrayWriter<'_>,
        slice: &SliceWriter<'_>,
        user_record: &NewUserRecord<'_>,
    ) -> [u32; 2] {
        [array.encoded_len_with(user_record), slice.encoded_len_with(user_record)]
    }
    fn AggregateWriter__size_with(
        array: &ArrayWriter<'_>,
        slice: &SliceWriter<'_>,
        user_record: &NewUserRecord<'_>,
    ) -> [u32; 2] {
        [array.size_with(user_record), slice.size_with(user_record)]
    }
    fn AggregateWriter__size_alone(
        array: &ArrayWriter<'_>,
        user_record: &NewUserRecord<'_>,
    ) -> u32 {
        array.size_alone(user_record)
    }
    fn AggregateWriter__capacity(array: &ArrayWriter<'_>, slice: &SliceWriter<'_>) -> [u32; 2] {
        [array.capacity(), slice.capacity()]
    }
    fn AggregateWriter__roomy_len(writer: &ArrayWriter<'_>) -> u32 {
        writer.roomy_len()
    }
    fn AggregateWriter__fits(
        array: &ArrayWriter<'_>,
        slice: &SliceWriter<'_>,
        user_record: &NewUserRecord<'_>,
    ) -> [bool; 2] {
        [array.fits(user_record), slice.fits(user_record)]
    }
    fn AggregateWriter__try_push(
        array: &mut ArrayWriter<'_>,
        slice: &mut SliceWriter<'_>,
        user_record: &NewUserRecord<'_>,
    ) -> [Result<(), EncodeError>; 2] {
        [array.try_push(user_record), slice.try_push(user_record)]
    }
    fn AggregateWriter__finish<'a>(
        array: &'a mut ArrayWriter<'_>,
        slice: &'a mut SliceWriter<'_>,
    ) -> [Result<Aggregate<'a>, EncodeError>; 2] {
        [array.finish(), slice.finish()]
    }
    fn AggregateWriter__finish_unsealed<'a>(
        array: &'a mut ArrayWriter<'_>,
    ) -> Result<UnsealedAggregate<'a>, EncodeError> {
        array.finish_unsealed()
    }
    fn AggregateWriter__clear(array: &mut ArrayWriter<'_>, slice: &mut SliceWriter<'_>) {
        array.clear();
        slice.clear();
    }
    fn AggregateWriter__move_to<'a>(
        array: ArrayWriter<'a>,
        buffer: Buffer<'a>,
    ) -> Result<ArrayWriter<'a>, (ArrayWriter<'a>, Buffer<'a>)> {
        array.move_to(buffer)
    }
}

// Feature `heapless`.
roots! {
    fn AggregateWriter__in_heapless_vec() -> AggregateWriter<Vec<u8, 256>> {
        AggregateWriter::in_heapless_vec()
    }
    fn AggregateWriter__finish_into_vec(
        writer: &mut AggregateWriter<Vec<u8, 256>>,
        user_record: &NewUserRecord<'_>,
    ) -> Result<VecAggregate<256>, EncodeError> {
        writer.try_push(user_record)?;
        writer.finish_into_vec()
    }
    fn SectionWriter__in_heapless_vec() -> SectionWriter<Vec<u8, 256>> {
        SectionWriter::in_heapless_vec()
    }
    fn SectionWriter__finish_into_vec(
        writer: &mut SectionWriter<Vec<u8, 256>>,
        key: &[u8],
    ) -> Result<Vec<u8, 256>, EncodeError> {
        writer.add_partition_key(key)?;
        writer.finish_into_vec()
    }
    fn VecAggregate__as_aggregate(aggregate: &VecAggregate<256>) -> Aggregate<'_> {
        aggregate.as_aggregate()
    }
    fn VecAggregate__fmt(out: &mut Text<'_>, aggregate: &VecAggregate<256>) -> fmt::Result {
        write!(out, "{aggregate:?}")
    }
    fn VecAggregate__into_data(aggregate: VecAggregate<256>) -> Vec<u8, 256> {
        aggregate.into_data()
    }
}

// Feature `embedded-io-async`. Each future is polled once: a future that is polled again after
// it has completed panics, as every `async fn` does.
roots! {
    fn AsyncStreamWriter__new(device: Device) -> AsyncWriter {
        AsyncStreamWriter::new(device)
    }
    fn AsyncStreamWriter__with_limits(writer: AsyncWriter, limits: Limits) -> AsyncWriter {
        writer.with_limits(limits)
    }
    fn AsyncStreamWriter__limits(writer: &AsyncWriter) -> Limits {
        writer.limits()
    }
    fn AsyncStreamWriter__record_count(writer: &AsyncWriter) -> usize {
        writer.record_count()
    }
    fn AsyncStreamWriter__encoded_len(writer: &AsyncWriter) -> u32 {
        writer.encoded_len()
    }
    fn AsyncStreamWriter__is_poisoned(writer: &AsyncWriter) -> bool {
        writer.is_poisoned()
    }
    fn AsyncStreamWriter__clear(writer: &mut AsyncWriter) {
        writer.clear()
    }
    fn AsyncStreamWriter__inner_mut<'a>(writer: &'a mut AsyncWriter) -> &'a mut Device {
        writer.inner_mut()
    }
    fn AsyncStreamWriter__into_inner(writer: AsyncWriter) -> Device {
        writer.into_inner()
    }
    fn AsyncStreamWriter__add_partition_key(
        writer: &mut AsyncWriter,
        key: &[u8],
        context: &mut Context<'_>,
    ) -> Poll<Result<PartitionKeyIndex, AsyncError>> {
        poll(writer.add_partition_key(key), context)
    }
    fn AsyncStreamWriter__add_explicit_hash_key(
        writer: &mut AsyncWriter,
        key: &[u8],
        context: &mut Context<'_>,
    ) -> Poll<Result<ExplicitHashKeyIndex, AsyncError>> {
        poll(writer.add_explicit_hash_key(key), context)
    }
    fn AsyncStreamWriter__push(
        writer: &mut AsyncWriter,
        partition_key: PartitionKeyIndex,
        explicit_hash_key: Option<ExplicitHashKeyIndex>,
        data: &[u8],
        tags: &RecordTags<'_>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), AsyncError>> {
        poll(writer.push(partition_key, explicit_hash_key, data, *tags), context)
    }
    fn AsyncStreamWriter__finish(
        writer: &mut AsyncWriter,
        context: &mut Context<'_>,
    ) -> Poll<Result<StreamedAggregate, AsyncError>> {
        poll(writer.finish(), context)
    }
    fn AsyncStreamWriter__fmt(out: &mut Text<'_>, writer: &AsyncWriter) -> fmt::Result {
        write!(out, "{writer:?}")
    }
}

// Streaming, and feature `embedded-io`.
roots! {
    fn StreamWriter__new(sink: DynSink<'_>) -> StreamWriter<DynSink<'_>> {
        StreamWriter::new(sink)
    }
    fn StreamWriter__with_limits(
        writer: StreamWriter<DynSink<'_>>,
        limits: Limits,
    ) -> StreamWriter<DynSink<'_>> {
        writer.with_limits(limits)
    }
    fn StreamWriter__limits(writer: &StreamWriter<DynSink<'_>>) -> Limits {
        writer.limits()
    }
    fn StreamWriter__record_count(writer: &StreamWriter<DynSink<'_>>) -> usize {
        writer.record_count()
    }
    fn StreamWriter__encoded_len(writer: &StreamWriter<DynSink<'_>>) -> u32 {
        writer.encoded_len()
    }
    fn StreamWriter__is_poisoned(writer: &StreamWriter<DynSink<'_>>) -> bool {
        writer.is_poisoned()
    }
    fn StreamWriter__clear(writer: &mut StreamWriter<DynSink<'_>>) {
        writer.clear()
    }
    fn StreamWriter__sink_mut<'a>(writer: &'a mut StreamWriter<Device>) -> &'a mut Device {
        writer.sink_mut()
    }
    fn StreamWriter__into_sink(writer: StreamWriter<DynSink<'_>>) -> DynSink<'_> {
        writer.into_sink()
    }
    fn StreamWriter__add_partition_key(
        writer: &mut StreamWriter<DynSink<'_>>,
        key: &[u8],
    ) -> Result<PartitionKeyIndex, StreamError<Utf8Error>> {
        writer.add_partition_key(key)
    }
    fn StreamWriter__add_explicit_hash_key(
        writer: &mut StreamWriter<DynSink<'_>>,
        key: &[u8],
    ) -> Result<ExplicitHashKeyIndex, StreamError<Utf8Error>> {
        writer.add_explicit_hash_key(key)
    }
    fn StreamWriter__push(
        writer: &mut StreamWriter<DynSink<'_>>,
        partition_key: PartitionKeyIndex,
        explicit_hash_key: Option<ExplicitHashKeyIndex>,
        data: &[u8],
        tags: &RecordTags<'_>,
    ) -> Result<(), StreamError<Utf8Error>> {
        writer.push(partition_key, explicit_hash_key, data, tags.clone())
    }
    fn StreamWriter__finish(
        writer: &mut StreamWriter<DynSink<'_>>,
    ) -> Result<StreamedAggregate, StreamError<Utf8Error>> {
        writer.finish()
    }
    fn StreamWriter__fmt(out: &mut Text<'_>, writer: &StreamWriter<DynSink<'_>>) -> fmt::Result {
        write!(out, "{writer:?}")
    }
    fn StreamWriter__to_embedded_io<'a>(
        device: &'a mut [u8],
    ) -> StreamWriter<EmbeddedIo<&'a mut [u8]>> {
        StreamWriter::to_embedded_io(device)
    }
    fn StreamedAggregate__encoded_len(streamed: &StreamedAggregate) -> u32 {
        streamed.encoded_len()
    }
    fn StreamedAggregate__record_count(streamed: &StreamedAggregate) -> usize {
        streamed.record_count()
    }
    fn StreamedAggregate__first_partition_key(streamed: &StreamedAggregate) -> PartitionKeyIndex {
        streamed.first_partition_key()
    }
    fn StreamedAggregate__first_explicit_hash_key(
        streamed: &StreamedAggregate,
    ) -> Option<ExplicitHashKeyIndex> {
        streamed.first_explicit_hash_key()
    }
    fn EmbeddedIo__new(device: Buffer<'_>) -> EmbeddedIo<Buffer<'_>> {
        EmbeddedIo::new(device)
    }
    fn EmbeddedIo__inner_mut<'a>(device: &'a mut EmbeddedIo<Device>) -> &'a mut Device {
        device.inner_mut()
    }
    fn EmbeddedIo__into_inner(device: EmbeddedIo<Buffer<'_>>) -> Buffer<'_> {
        device.into_inner()
    }
    fn EmbeddedIo__write_all(
        device: &mut EmbeddedIo<Device>,
        bytes: &[u8],
    ) -> Result<(), EmbeddedIoError<embedded_io::ErrorKind>> {
        device.write_all(bytes)
    }
    fn EmbeddedIoError__fmt(
        out: &mut Text<'_>,
        error: &EmbeddedIoError<embedded_io::ErrorKind>,
    ) -> fmt::Result {
        write!(out, "{error}")
    }
    fn EmbeddedIoError__source(error: &EmbeddedIoError<embedded_io::ErrorKind>) -> bool {
        core::error::Error::source(error).is_some()
    }
    fn F__write_all(sink: &mut DynSink<'_>, bytes: &[u8]) -> Result<(), Utf8Error> {
        sink.write_all(bytes)
    }
    fn StreamError__from(error: EncodeError) -> StreamError<Utf8Error> {
        StreamError::from(error)
    }
    fn StreamError__fmt(out: &mut Text<'_>, error: &StreamError<Utf8Error>) -> fmt::Result {
        write!(out, "{error}")
    }
    fn StreamError__source(error: &StreamError<Utf8Error>) -> bool {
        core::error::Error::source(error).is_some()
    }
}

// `Debug`, as the compiler derives it.
roots! {
    fn derived__debug_reading(
        out: &mut Text<'_>,
        parsed: &Result<Parsed<'_>, DecodeError>,
        frame: &Frame<'_>,
        keys: &Keys<'_>,
        user_records: &SliceRecords<'_>,
        user_record: &UserRecord<'_>,
        tags: &RecordTags<'_>,
    ) -> fmt::Result {
        write!(out, "{parsed:?}{frame:?}{keys:?}{user_records:?}{user_record:?}{tags:?}")
    }
    fn derived__debug_writing(
        out: &mut Text<'_>,
        writer: &ArrayWriter<'_>,
        section_writer: &SectionWriter<Buffer<'_>>,
        aggregate: &UnsealedAggregate<'_>,
        result: &Result<Aggregate<'_>, EncodeError>,
    ) -> fmt::Result {
        write!(out, "{writer:?}{section_writer:?}{aggregate:?}{result:?}")
    }
    fn derived__debug_hash_keys(
        out: &mut Text<'_>,
        range: &Result<HashKeyRange, ReversedRangeError>,
        hash_key: &Result<HashKey, HashKeyError>,
        limits: &Result<Limits, LimitError>,
    ) -> fmt::Result {
        write!(out, "{range:?}{hash_key:?}{limits:?}")
    }
}

#[cfg(feature = "control-index")]
roots! {
    fn control(bytes: &[u8], index: usize) -> u8 {
        bytes[index]
    }
}

#[cfg(feature = "control-add")]
roots! {
    fn control(a: usize, b: usize) -> usize {
        a + b
    }
}
