// Does the work of the kinesis-agg command with aws-kinesis-agg: JSON lines in, JSON lines out.
"use strict";
const readline = require("readline");
const agg = require("aws-kinesis-agg");

// Output is buffered, because writing each line would take one system call per line.
const BUFFER_LEN = 1 << 16;
let buffer = "";
const flush = () => {
    process.stdout.write(buffer);
    buffer = "";
};
const print = (partitionKey, data) => {
    buffer += JSON.stringify({ partitionKey, data: data.toString("base64") }) + "\n";
    if (buffer.length >= BUFFER_LEN) flush();
};
const fail = (error) => {
    console.error(error);
    process.exit(1);
};

function deaggregate(lines) {
    lines.on("line", (line) => {
        const { partitionKey, data } = JSON.parse(line);
        const record = { kinesisSchemaVersion: "1.0", partitionKey, sequenceNumber: "1", data };
        agg.deaggregateSync(record, true, (error, userRecords) => {
            if (error) fail(error);
            for (const userRecord of userRecords) {
                print(userRecord.partitionKey, userRecord.data);
            }
        });
    });
    lines.on("close", flush);
}

function aggregate(lines) {
    const put = (error, encoded) => (error ? fail(error) : print(encoded.partitionKey, encoded.data));
    const aggregator = new agg.RecordAggregator(put);
    lines.on("line", (line) => {
        const { partitionKey, data } = JSON.parse(line);
        aggregator.aggregateRecords([{ partitionKey, data: Buffer.from(data, "base64") }], false, put);
    });
    lines.on("close", () => {
        aggregator.flushBufferedRecords(put);
        flush();
    });
}

const lines = readline.createInterface({ input: process.stdin });
({ aggregate, deaggregate })[process.argv[2]](lines);
