// The work of kinesis-agg's command line with aws-kinesis-agg: JSON lines in, JSON lines out.
"use strict";
const readline = require("readline");
const agg = require("aws-kinesis-agg");

const print = (partitionKey, data) =>
    process.stdout.write(JSON.stringify({ partitionKey, data: data.toString("base64") }) + "\n");
const fail = (error) => {
    console.error(error);
    process.exit(1);
};

async function deaggregate(lines) {
    for await (const line of lines) {
        const { partitionKey, data } = JSON.parse(line);
        const record = { kinesisSchemaVersion: "1.0", partitionKey, sequenceNumber: "1", data };
        agg.deaggregateSync(record, true, (error, userRecords) => {
            if (error) fail(error);
            for (const userRecord of userRecords) {
                print(userRecord.partitionKey, userRecord.data);
            }
        });
    }
}

async function aggregate(lines) {
    const put = (error, encoded) => (error ? fail(error) : print(encoded.partitionKey, encoded.data));
    const aggregator = new agg.RecordAggregator(put);
    for await (const line of lines) {
        const { partitionKey, data } = JSON.parse(line);
        aggregator.aggregateRecords([{ partitionKey, data: Buffer.from(data, "base64") }], false, put);
    }
    aggregator.flushBufferedRecords(put);
}

const lines = readline.createInterface({ input: process.stdin });
({ aggregate, deaggregate })[process.argv[2]](lines).catch(fail);
