// AWS's Node module, `aws-kinesis-agg`. See contract.py.
'use strict';
const readline = require('readline');
const agg = require('aws-kinesis-agg');

// Node yields undefined where there is no explicit hash key.
const orNull = (value) => (value === undefined ? null : value);

function decode(number, hex) {
  const data = Buffer.from(hex, 'hex').toString('base64');
  const print = (line) => console.log(JSON.stringify({ record: number, ...line }));
  const failed = (error) => {
    if (error) print({ aggregated: false, reason: 'malformed', error: String(error) });
  };
  const yielded = (error, record) => {
    if (error) return failed(error);
    if (record.subSequenceNumber === undefined) {
      return print({ aggregated: false, data: record.data });
    }
    return print({
      aggregated: true,
      subSequenceNumber: record.subSequenceNumber,
      partitionKey: orNull(record.partitionKey),
      explicitHashKey: orNull(record.explicitPartitionKey),
      data: record.data,
    });
  };
  try {
    agg.deaggregate({ partitionKey: 'outer', sequenceNumber: '1', data }, true, yielded, failed);
  } catch (error) {
    failed(error);
  }
}

function encode(userRecords) {
  const aggregator = new agg.RecordAggregator();
  const print = (record) =>
    console.log(
      JSON.stringify({
        partitionKey: record.partitionKey,
        explicitHashKey: orNull(record.ExplicitHashKey),
        data: record.data.toString('base64'),
      }),
    );
  const records = userRecords.map(({ partitionKey, explicitHashKey, data }) => ({
    partitionKey,
    explicitHashKey: explicitHashKey === null ? undefined : explicitHashKey,
    data: Buffer.from(data, 'base64'),
  }));
  // The same as aggregateRecords() of its documentation, without its queue.
  for (const record of records) {
    if (!aggregator.checkIfUserRecordFits(record)) {
      print(aggregator.build());
      aggregator.clearRecords();
    }
    aggregator.addUserRecord(record);
  }
  print(aggregator.build());
}

const lines = [];
let number = 0;
readline
  .createInterface({ input: process.stdin })
  .on('line', (line) => {
    if (process.argv[2] === 'encode') lines.push(JSON.parse(line));
    else decode(number++, line);
  })
  .on('close', () => {
    if (process.argv[2] === 'encode') encode(lines);
  });
