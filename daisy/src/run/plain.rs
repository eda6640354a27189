//! Text of others, made fit for a terminal.

use std::iter::Peekable;

/// A line as plain text: what a terminal would take as an order is left out, and so is everything before
/// the last carriage return, which it would have overwritten. Longer than `limit` bytes, it is cut.
pub(super) fn plain(line: &[u8], limit: usize) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let shown = line.rsplit(|&byte| byte == b'\r').next().unwrap_or_default();
    let whole = String::from_utf8_lossy(shown);
    let mut text = String::new();
    let mut chars = whole.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\u{1b}' => skip_escape(&mut chars),
            '\u{9b}' => skip_until(&mut chars, is_final),
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => skip_string(&mut chars),
            '\t' => text.push(' '),
            _ if char.is_control() || is_direction(char) => {}
            _ => text.push(char),
        }
        if text.len() > limit {
            let end = (0..=limit).rev().find(|&end| text.is_char_boundary(end));
            text.truncate(end.unwrap_or(0));
            text.push_str("...");
            break;
        }
    }
    text
}

/// A text of several lines as plain text, each line as [`plain`] has it.
pub(super) fn plain_text(text: String) -> String {
    let is_bad = |char: char| (char.is_control() && char != '\n') || is_direction(char);
    if !text.contains(is_bad) {
        return text;
    }
    let lines = text.lines().map(|line| plain(line.as_bytes(), usize::MAX));
    lines.collect::<Vec<_>>().join("\n")
}

/// The name of a task, fit for one line of a terminal.
pub(crate) fn plain_name(name: &str) -> String {
    let kept = name.replace(['\n', '\r'], " ");
    plain(kept.as_bytes(), usize::MAX)
}

/// Skips what follows an escape character, as ECMA-48 has it.
fn skip_escape(chars: &mut Peekable<impl Iterator<Item = char>>) {
    match chars.next() {
        Some('[') => skip_until(chars, is_final),
        Some(']' | 'P' | 'X' | '^' | '_') => skip_string(chars),
        // Intermediate characters, then one that ends it.
        Some(' '..='/') => skip_until(chars, |char| ('0'..='~').contains(&char)),
        _ => {}
    }
}

fn skip_until(chars: &mut impl Iterator<Item = char>, is_end: impl Fn(char) -> bool) {
    let _end = chars.find(|&char| is_end(char));
}

/// Skips a control string, which ends with a bell or a string terminator.
fn skip_string(chars: &mut Peekable<impl Iterator<Item = char>>) {
    while let Some(char) = chars.next() {
        match char {
            '\u{7}' | '\u{9c}' => return,
            '\u{1b}' if chars.next_if_eq(&'\\').is_some() => return,
            _ => {}
        }
    }
}

fn is_final(char: char) -> bool {
    ('@'..='~').contains(&char)
}

/// Characters that change the direction of what follows, also on the next lines.
const fn is_direction(char: char) -> bool {
    matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        for (line, expected) in [
            ("plain ä text", "plain ä text"),
            ("a\tb", "a b"),
            ("\u{1b}[1;31mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{7}a\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\", "alink"),
            ("\u{9b}2Jcleared\u{9d}0;title\u{9c}", "cleared"),
            ("\u{1b}(Bcharset\u{1b}cReset", "charsetReset"),
            ("never ends \u{1b}[1;", "never ends "),
            ("\u{1b}", ""),
            ("bell\u{7}\u{8}\u{0}\u{7f}", "bell"),
            ("10 %\r20 %\r30 %", "30 %"),
            ("dos\r", "dos"),
            ("a\u{202e}b\u{2066}c", "abc"),
        ] {
            assert_eq!(plain(line.as_bytes(), 100), expected, "{line:?}");
        }
        assert_eq!(plain(b"\xff\xc3a", 100), "\u{fffd}\u{fffd}a");
    }

    #[test]
    fn lines_of_a_text_stay_lines() {
        let text = "\u{1b}[31mred\u{1b}[0m\n\n\u{9b}2Jb\u{7}\r\n".to_owned();
        assert_eq!(plain_text(text), "red\n\nb");
        assert_eq!(plain_text("one\n two\n".to_owned()), "one\n two\n");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(plain("ää".as_bytes(), 4), "ää");
        assert_eq!(plain("äää".as_bytes(), 5), "ää...");
    }
}
