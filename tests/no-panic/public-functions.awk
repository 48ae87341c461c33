# Lists the public functions and trait functions of the codec's public types, as
# `Type__function`, or `function` if it is free. The source is formatted by rustfmt.
FNR == 1 { type = ""; header = ""; in_tests = 0 }
/^#\[cfg\(test\)\]$/ { in_tests = 1 }
in_tests { next }
/^impl/ || header != "" {
    header = header == "" ? $0 : header " " $0
    if ($0 !~ /{}?$/) { next }
    is_trait = header ~ / for [&A-Z]/
    # Skips a private trait, and the implementations for logs, which tests/firmware links.
    if (header ~ /^impl(<[^>]*>)? (Num|defmt::Format) for /) { header = ""; type = ""; next }
    name = header
    if (is_trait) { sub(/.* for &?/, "", name) } else { sub(/^impl(<[^>]*(<[^>]*>[^>]*)*>)? /, "", name) }
    match(name, /^[A-Za-z]+/)
    type = substr(name, 1, RLENGTH)
    header = ""
    next
}
/^}/ { type = ""; next }
type == "" && /^pub (const |async )?fn / { print "" name_of($0) }
type != "" && (is_trait ? /^    fn / : /^    pub (const |async )?fn /) { print type "__" name_of($0) }
function name_of(line) {
    sub(/^ *(pub )?(const |async )?fn /, "", line)
    match(line, /^[a-z_0-9]+/)
    return substr(line, 1, RLENGTH)
}
