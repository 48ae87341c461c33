"""Tests the runner: a program that follows the rules passes, and each kind of wrong answer
gets its verdict."""

import base64
import contextlib
import io
import shlex
import sys
import unittest

import law
import run


def base64_of(hex_text):
    return base64.b64encode(bytes.fromhex(hex_text)).decode()


def lines_of(case, outcome):
    """What a program prints for a blob if this is its outcome."""
    if "plain" in outcome:
        return [{"aggregated": False, "reason": outcome["plain"], "data": base64_of(case["hex"])}]
    if "malformed" in outcome:
        error = f"text at byte {outcome['offset']}"
        return [{"aggregated": False, "reason": "malformed", "error": error}]
    return [
        {
            "aggregated": True,
            "subSequenceNumber": place,
            "partitionKeyBase64": base64_of(key),
            **({} if hash_key is None else {"explicitHashKeyBase64": base64_of(hash_key)}),
            "data": base64_of(data),
            "tags": [
                {"keyBase64": base64_of(name), **({} if value is None else {"valueBase64": base64_of(value)})}
                for name, value in tags
            ],
        }
        for place, (key, hash_key, data, tags) in enumerate(outcome["user_records"])
    ]


class Reading(unittest.TestCase):
    def setUp(self):
        cases = [(case, law.decode(bytes.fromhex(case["hex"]))) for case in run.decode_cases()]
        self.plain = [pair for pair in cases if "plain" in pair[0]]
        self.malformed = [pair for pair in cases if "malformed" in pair[0]]
        self.aggregated = [pair for pair in cases if pair[0].get("user_records")]
        self.empty = [pair for pair in cases if pair[0].get("user_records") == []]

    def verdicts(self, pairs, change):
        return {run.judge_decode(case, change(lines_of(case, outcome))) for case, outcome in pairs}

    def test_a_program_that_follows_the_rules_passes(self):
        every = [*self.plain, *self.malformed, *self.aggregated, *self.empty]
        self.assertGreater(len(every), 1800)
        self.assertEqual(self.verdicts(every, lambda lines: lines), {"ok"})

    def test_the_errors_of_a_program_that_fails_are_shown(self):
        program = "import sys; sys.stdin.readline(); sys.exit('four bytes are too few')"
        with contextlib.redirect_stderr(io.StringIO()) as shown:
            verdicts, status = run.decode(shlex.join([sys.executable, "-c", program]))
        self.assertEqual(status, 1)
        self.assertIn("four bytes are too few", shown.getvalue())
        self.assertTrue(any(verdict == "lost" for _, _, verdict in verdicts))

    def test_each_departure_has_its_verdict(self):
        record = lines_of({"hex": ""}, {"user_records": [["6b", None, "64", []]]})
        plain = lines_of({"hex": "7b"}, {"plain": "no_magic"})
        error = lines_of({"hex": ""}, {"malformed": "truncated", "offset": 1 << 20})

        def changed(**fields):
            return lambda lines: [*lines[:-1], {**lines[-1], **fields}]

        for pairs, change, verdict in [
            (self.plain, lambda _: [], "lost"),
            (self.plain, lambda _: record, "opened"),
            (self.plain, lambda _: error, "an error"),
            (self.plain, changed(data=""), "other data"),
            (self.plain, lambda lines: lines * 2, "other data"),
            (self.plain, changed(reason="other"), "another reason"),
            (self.malformed, lambda _: [], "lost"),
            (self.malformed, lambda _: plain, "passed on as plain"),
            (self.malformed, lambda _: record, "user records delivered"),
            (self.malformed, lambda _: record + error, "some delivered, then an error"),
            (self.malformed, lambda _: error, "another offset"),
            (self.aggregated, lambda _: [], "lost"),
            (self.aggregated, lambda _: plain, "passed on as plain"),
            (self.aggregated, lambda _: error, "an error"),
            (self.aggregated, lambda lines: lines + error, "some delivered, then an error"),
            (self.aggregated, lambda lines: lines + record, "some made up"),
            (self.aggregated, changed(partitionKey="other"), "another key"),
            (self.aggregated, changed(explicitHashKey="other"), "another explicit hash key"),
            (self.aggregated, changed(data="b3RoZXI="), "other data"),
            (self.aggregated, changed(tags=[{"key": "other"}]), "other tags"),
            (self.aggregated, changed(subSequenceNumber=-1), "another sub-sequence number"),
            (self.empty, lambda _: record, "some made up"),
        ]:
            self.assertEqual(self.verdicts(pairs, change), {verdict})


class Writing(unittest.TestCase):
    def verdict(self, case, records=None, outer=None, status=0, without=()):
        given = records or [(key, hash_key, run.data_of(data)) for key, hash_key, data in case["user_records"]]
        lines = [
            {
                "partitionKey": outer or key,
                "explicitHashKey": hash_key,
                "data": base64.b64encode(blob).decode(),
            }
            for key, hash_key, blob in law.encode(given, max_size=2 << 20)
        ]
        return run.judge_encode(case, lines, status, without)

    def case(self, *user_records):
        aggregates = law.encode([(key, hash_key, run.data_of(data)) for key, hash_key, data in user_records])
        return {
            "user_records": user_records,
            "aggregates": [[key, hash_key, run.short(blob)] for key, hash_key, blob in aggregates],
        }

    def test_each_departure_has_its_verdict(self):
        case = self.case(("a", "007", "01"), ("b", None, "02"))
        self.assertEqual(self.verdict(case), "ok")
        good = [("a", "7", b"\1"), ("b", None, b"\2")]
        self.assertEqual(self.verdict(case, good), "ok")
        self.assertEqual(self.verdict(case, good[:1]), "some lost")
        self.assertEqual(self.verdict(case, [good[1], good[0]]), "another key")
        self.assertEqual(self.verdict(case, [good[0], ("b", "7", b"\2")]), "another explicit hash key")
        self.assertEqual(self.verdict(case, [good[0], ("b", None, b"\3")]), "other data")
        self.assertEqual(self.verdict(case, outer="c"), "another outer key")
        self.assertEqual(self.verdict(case, status=1), "rejected")

    def test_an_invalid_user_record_must_be_rejected(self):
        case = {"user_records": [("a", None, "01"), ("", None, "02")], "rejected": 1}
        self.assertEqual(self.verdict(case, [("a", None, b"\1")], status=1), "ok")
        self.assertEqual(self.verdict(case, [("a", None, b"\1")]), "lost")
        self.assertEqual(self.verdict(case, [("a", None, b"\1"), ("b", None, b"\2")], status=1), "written")

    def test_aggregates_must_not_be_too_large(self):
        case = self.case(("k", None, [1, 600_000]), ("k", None, [2, 600_000]))
        self.assertEqual(len(case["aggregates"]), 2)
        self.assertEqual(self.verdict(case), "too large")

    def test_a_lone_user_record_may_be_raw(self):
        case = self.case(("a", None, "01"))
        raw = [{"partitionKey": "a", "data": "AQ=="}]
        self.assertEqual(run.judge_encode(case, raw, 0), "not an aggregate")
        self.assertEqual(run.judge_encode(case, raw, 0, ["wrapping"]), "ok")


if __name__ == "__main__":
    unittest.main()
