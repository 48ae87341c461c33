// Runs AWS's Node module: reads requests and writes responses as lines of JSON, see peer.py.
'use strict';
const readline = require('readline');
const agg = require('aws-kinesis-agg');

function encode(userRecords) {
  const aggregator = new agg.RecordAggregator();
  for (const { partitionKey, explicitHashKey, data } of userRecords) {
    aggregator.addUserRecord({
      partitionKey,
      explicitHashKey: explicitHashKey === null ? undefined : explicitHashKey,
      data: Buffer.from(data, 'base64'),
    });
  }
  return aggregator.build().data.toString('base64');
}

function push({ key, length }) {
  const aggregator = new agg.RecordAggregator();
  aggregator.addUserRecord({ partitionKey: key, data: Buffer.alloc(length) });
  return aggregator.build().data.length;
}

function decode(records) {
  const answer = [];
  for (const { kinesis } of records) {
    const failed = (error) => {
      if (error) answer.push({ error: String(error) });
    };
    agg.deaggregate(kinesis, true, (error, userRecord) => answer.push(userRecord), failed);
  }
  return answer;
}

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const asked = JSON.parse(line);
  let answer;
  try {
    if (asked.push) answer = push(asked.push);
    else answer = asked.encode ? encode(asked.encode) : decode(asked.decode);
  } catch (error) {
    answer = { error: String(error) };
  }
  console.log(JSON.stringify(answer));
});
