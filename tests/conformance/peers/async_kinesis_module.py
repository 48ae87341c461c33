"""`async-kinesis`: the parsing of its `KPLAggregator`, which yields data without keys."""

import contract
from kinesis.aggregators import KPLAggregator


class Processor(KPLAggregator):
    def deserialize(self, data):
        return data


processor = Processor()


def decode(number, blob):
    for place, data in enumerate(processor.parse(blob)):
        yield contract.user_record(number, place, None, None, data)


contract.serve(decode)
