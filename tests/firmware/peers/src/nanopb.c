/* The message that nanopb fills and reads; see nanopb.rs. */
#include <pb_decode.h>
#include <pb_encode.h>

#include "aggregated_record.pb.h"

typedef kinesis_agg_AggregatedRecord Message;

static Message message;

void nanopb_clear(void) {
    message.partition_key_table_count = 0;
    message.records_count = 0;
}

bool nanopb_push(const uint8_t *key, size_t key_len, const uint8_t *data, size_t data_len) {
    size_t index = 0;
    kinesis_agg_Record *record;
    while (index < message.partition_key_table_count &&
           (memcmp(message.partition_key_table[index], key, key_len) != 0 ||
            message.partition_key_table[index][key_len] != 0))
        index++;
    if (index == message.partition_key_table_count) {
        if (index == sizeof message.partition_key_table / sizeof *message.partition_key_table ||
            key_len >= sizeof *message.partition_key_table)
            return false;
        memcpy(message.partition_key_table[index], key, key_len);
        message.partition_key_table[index][key_len] = 0;
        message.partition_key_table_count++;
    }
    if (message.records_count == sizeof message.records / sizeof *message.records ||
        data_len > sizeof message.records->data.bytes)
        return false;
    record = &message.records[message.records_count++];
    record->partition_key_index = index;
    record->has_explicit_hash_key_index = false;
    record->data.size = data_len;
    memcpy(record->data.bytes, data, data_len);
    return true;
}

size_t nanopb_encode(uint8_t *out, size_t len) {
    pb_ostream_t stream = pb_ostream_from_buffer(out, len);
    return pb_encode(&stream, kinesis_agg_AggregatedRecord_fields, &message)
               ? stream.bytes_written
               : 0;
}

bool nanopb_decode(const uint8_t *bytes, size_t len) {
    pb_istream_t stream = pb_istream_from_buffer(bytes, len);
    return pb_decode(&stream, kinesis_agg_AggregatedRecord_fields, &message);
}

bool nanopb_user_record(size_t place, const uint8_t **key, size_t *key_len, const uint8_t **data,
                        size_t *data_len) {
    const kinesis_agg_Record *record = &message.records[place];
    if (place >= message.records_count ||
        record->partition_key_index >= message.partition_key_table_count)
        return false;
    *key = (const uint8_t *)message.partition_key_table[record->partition_key_index];
    *key_len = 0;
    while ((*key)[*key_len] != 0)
        ++*key_len;
    *data = record->data.bytes;
    *data_len = record->data.size;
    return true;
}
