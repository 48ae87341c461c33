//! Converts a user record that was read into one to write.

use crate::error::RewriteError;
use crate::read::user_records::UserRecord;
use crate::write::new_user_record::NewUserRecord;

/// Borrows the same bytes. The explicit hash key is written as plain decimal, whatever
/// its text was (`007` becomes `7`); the hash key is the same.
///
/// ```
/// use kinesis_agg_codec::{AggregateWriter, NewUserRecord, parse};
///
/// # let mut first = [0; 64];
/// # let mut writer = AggregateWriter::new(&mut first);
/// # writer.try_push(&NewUserRecord::new("sensor-7", b"21.5"))?;
/// # let blob = writer.finish()?.data();
/// let mut buffer = [0; 64];
/// let mut writer = AggregateWriter::new(&mut buffer);
/// for user_record in parse(blob)?.aggregated().into_iter().flatten() {
///     writer.try_push(&NewUserRecord::try_from(&user_record)?)?;
/// }
/// assert_eq!(writer.finish()?.data(), blob);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`RewriteError::PartitionKeyNotUtf8`] and [`RewriteError::ExplicitHashKey`]. A
/// [`SectionWriter`](crate::SectionWriter) can write such user records as they are.
impl<'buf> TryFrom<&UserRecord<'buf>> for NewUserRecord<'buf> {
    type Error = RewriteError;

    fn try_from(user_record: &UserRecord<'buf>) -> Result<Self, RewriteError> {
        let partition_key = user_record.partition_key().to_str();
        let partition_key = partition_key.map_err(|error| RewriteError::PartitionKeyNotUtf8 {
            offset: error.valid_up_to(),
        })?;
        let mut new = Self::new(partition_key, user_record.data()).with_tags(user_record.tags());
        if user_record.explicit_hash_key().is_some() {
            let hash_key = user_record.hash_key();
            new = new.with_explicit_hash_key(hash_key.map_err(RewriteError::ExplicitHashKey)?);
        }
        Ok(new)
    }
}
