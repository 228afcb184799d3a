//! How is the text of a file to be understood, before and below its grammar?

const RESULTS: [&str; 4] = ["1-0", "0-1", "1/2-1/2", "*"];

/// The text with `\n` for every end of line.
pub(super) fn decode(bytes: &[u8]) -> String {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    // The standard says Latin-1, in which each byte is one character; most programs of today write UTF-8.
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect(),
    };
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// The result that a word or the value of a tag stands for.
pub(super) fn as_result(word: &str) -> Option<&'static str> {
    RESULTS.into_iter().find(|&result| result == word)
}

/// The move in a word of the main line, without the number that may be glued to it.
pub(super) fn as_move(word: &str) -> Option<&str> {
    let unnumbered = word.trim_start_matches(|c: char| c.is_ascii_digit());
    // The zeros of 0-0 are not a number.
    let written = if unnumbered.starts_with('-') { word } else { unnumbered.trim_start_matches(['.', '…']) };
    let is_annotation = written == "e.p." || written.trim_start_matches(['!', '?']).is_empty();
    (!is_annotation).then_some(written)
}
