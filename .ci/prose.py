"""Checks what a script can check of the prose: headings, links, and phrases that read as
translated. Reads every Markdown file and the comments of every source file; prints
file:line for each finding. Names of files as arguments restrict it to those.

Add a phrase here when a review finds it, so that it does not come back.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
COMMENT = {".rs": "//", ".js": "//", ".java": "//", ".c": "//", ".proto": "//", ".py": "#", ".sh": "#"}
COMMENT |= {".toml": "#", ".yml": "#", "": "#"}
# Texts of others, outputs, and the list below.
SKIPPED = re.compile(r"^(LICENSE|tests/public-api/|tests/fixtures/|fuzz/corpus/|.*\.lock$|\.ci/prose\.py$)")

# Each with what to write instead.
PHRASES = {
    r"\b(for|of) (who|whoever)\b|\bwhoever\b|\bwho (is|has|takes|reads|wants)\b": "name who it is",
    r"\banew\b": "again",
    r"(?<!there )\bis none\b|(?<!there )\bare none\b": "say what it is",
    r"\bas (it|they) stands?\b": "unchanged",
    r"\bin company\b": "together with others",
    r"\b(is|are|was|were|be) had\b": "a verb: is available, can be read",
    r"\bcoming from, mostly\b": "from, in most cases",
    r"\b(data|file|byte|record)'s way\b": "data flow",
    r"\bthat which\b": "what, or the noun",
    r"\bgo(es)? along\b": "is passed on, is included",
    r"\b(counts?|stands?) for nothing\b": "is ignored",
    r"\bcom(e|es|ing) anew\b": "new",
    r"\bin what form\b": "how",
    r"\bwill do\.": "is accepted",
    r"\bare no zeros\b": "are non-zero",
    r"\bsaid with\b": "specified with",
    r"\bsaid of\b": "reported for",
    r"\b(is|are|was) told\b|\btold (from|on|apart)\b": "is reported, is determined from",
    r"\btakes? .{1,40} for an? (error|blob|plain)\b": "treats as",
    r"\bof (yours|theirs)\b": "your, their",
    r"\bin (whole|full), ": "whole",
    r"\bshall\b": "must, will",
    r"\bthereof\b|\bwhereof\b|\bthereby\b|\bhence\b|\bthus\b": "a plain word",
    r"\bin vain\b": "without effect",
    r"\bwhat (is|was) known of\b": "the fields of",
    r"\bto be (had|said|taken)\b": "a verb with a subject",
    r"\bnobody\b": "name who or what it is",
    r"\bprotects that\b": "protects someone from something",
    r"\bfn (what|who|nobody|where)_\w+_\w+_": "a test name with a subject",
}
BANNED = [(re.compile(phrase, re.IGNORECASE), better) for phrase, better in PHRASES.items()]

# Words that keep their capital inside of a heading.
NAMES = set(
    "AWS Core Kinesis Lambda Firehose Analytics DynamoDB Rust Python Node Java Go Cargo GitHub Cortex "
    "Unreleased Unicode Amazon Linux Docker Windows Debian Apache Spark Flink Vector Fluent Bit".split()
)


def files(arguments):
    listed = arguments or subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).split("\n")
    for name in filter(None, listed):
        path = ROOT / name
        if not SKIPPED.match(name) and path.is_file() and not path.is_symlink():
            if path.suffix == ".md" or path.suffix in COMMENT:
                yield path


def prose_lines(path):
    """The number and the text of each line that is prose. Code is left out."""
    marker = COMMENT.get(path.suffix)
    in_code = False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = line.strip()
        if path.suffix == ".py" and not text.startswith("#"):
            continue
        if path.suffix != ".md":
            if not text.startswith(marker):
                in_code = False
                continue
            text = re.sub(r"^(//[/!]?|#!?)\s?", "", text)
        if text.lstrip().startswith("```"):
            in_code = not in_code
        elif not in_code:
            yield number, text


def heading_fault(text):
    heading = re.match(r"#{1,6} (.+)", text)
    if not heading:
        return None
    words = re.sub(r"`[^`]*`", "", heading[1]).split()
    capital = [w for w in words[1:] if re.fullmatch(r"[A-Z][a-z]+[:,.]?", w) and w.strip(":,.") not in NAMES]
    after_colon = {after for before, after in zip(words, words[1:]) if before.endswith((":", ".", "?"))}
    capital = [word for word in capital if word not in after_colon]
    return f"heading is not in sentence case: {', '.join(capital)}" if capital else None


def anchors(path):
    found = set()
    for _, text in prose_lines(path):
        heading = re.match(r"#{1,6} (.+)", text)
        if heading:
            plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading[1]).replace("`", "").lower()
            found.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
        found.update(re.findall(r'<a (?:id|name)="([^"]+)"', text))
    return found


def link_faults(path, text):
    targets = re.findall(r"\]\(([^()\s]+)\)", re.sub(r"`[^`]*`", "", text))
    targets += re.findall(r"^\[[^]]+\]: (\S+)", text)
    targets += re.findall(r'(?:src|href|srcset)="([^"]+)"', text)
    for target in targets:
        if re.match(r"[a-z]+:|//|crate\b", target) or "::" in target or target.endswith(".html"):
            continue
        name, _, anchor = target.partition("#")
        linked = (path.parent / name).resolve() if name else path
        if not linked.exists():
            yield f"link to {target}, which does not exist"
        elif anchor and linked.suffix == ".md" and anchor not in anchors(linked):
            yield f"link to {target}, but there is no such heading"


def faults(path):
    is_page = path.suffix == ".md"
    for number, text in prose_lines(path):
        if (is_page or path.suffix == ".rs") and (fault := heading_fault(text)):
            yield number, fault
        if is_page:
            yield from ((number, fault) for fault in link_faults(path, text))
        for phrase, better in BANNED:
            if hit := phrase.search(re.sub(r"`[^`]*`", "``", text)):
                yield number, f"“{hit[0]}” ({better})"


count = 0
for path in files(sys.argv[1:]):
    for number, fault in faults(path):
        print(f"{path.relative_to(ROOT)}:{number}: {fault}")
        count += 1
print(f"prose: {count} findings")
sys.exit(1 if count else 0)
