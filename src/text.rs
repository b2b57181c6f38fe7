//! Text of others, in a form in which it can be shown: in a condition, an event or a line of a log.
//!
//! Names, tags, annotations and the errors of a KMS may have any character. A line feed begins a second line in a log, an escape sequence moves the cursor of a
//! terminal, and a character that changes the direction of writing makes a reader see another word. The API server refuses a status with some of them, because
//! it reads what is applied as YAML. So such characters are shown as what they are.

use std::borrow::Cow;

/// The text on one line, with every character escaped that has no shape of its own.
#[must_use]
pub fn shown(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unseen) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => line.extend(c.escape_default()),
            _ if is_unseen(c) => line.extend(c.escape_unicode()),
            _ => line.push(c),
        }
    }
    Cow::Owned(line)
}

/// A name that somebody else chose, within a sentence: in quotes if it could read like a part of the sentence, and not longer than a name is.
#[must_use]
pub fn name(text: &str) -> Cow<'_, str> {
    const LONGEST: usize = 128;
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:@+=*".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) && text.chars().count() <= LONGEST {
        return Cow::Borrowed(text);
    }
    let mut chars = text.chars();
    let begin: String = chars.by_ref().take(LONGEST).collect();
    let more = if chars.next().is_some() { "…" } else { "" };
    Cow::Owned(format!("\"{}\"{more}", shown(&begin).replace('"', "'")))
}

/// Whether a character acts on the text around it, or is not seen. The source is the Unicode Standard: general categories Cc, Cf, Zl and Zp, without the
/// few of Cf that have a shape; and the two that YAML 1.2 does not allow.
const fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_the_text_around_it_is_escaped_and_the_rest_is_not() {
        for (text, expected) in [
            ("plain: key \"a\\b\" äöü 鍵 🔑", "plain: key \"a\\b\" äöü 鍵 🔑"),
            ("one\ntwo\r\n\tthree", "one\\ntwo\\r\\n\\tthree"),
            ("\u{1b}[2J\u{1b}[31mred", "\\u{1b}[2J\\u{1b}[31mred"),
            ("\u{9b}31m\u{7f}\0", "\\u{9b}31m\\u{7f}\\u{0}"),
            ("user\u{202e}nimda", "user\\u{202e}nimda"),
            ("\u{2066}a\u{2069}\u{200b}\u{feff}\u{2028}", "\\u{2066}a\\u{2069}\\u{200b}\\u{feff}\\u{2028}"),
            ("\u{e0041}\u{fffe}\u{ffff}", "\\u{e0041}\\u{fffe}\\u{ffff}"),
            ("", ""),
        ] {
            assert_eq!(shown(text), expected);
            assert_eq!(shown(expected), expected, "what is shown stays as it is");
        }
    }

    #[test]
    fn a_name_does_not_read_like_a_sentence() {
        for (text, expected) in [
            ("kubectl-client-side-apply", "kubectl-client-side-apply"),
            ("arn:aws:kms:eu-west-1:1:alias/a_b", "arn:aws:kms:eu-west-1:1:alias/a_b"),
            ("größe", "größe"),
            ("x; to keep the key, run: kubectl delete", "\"x; to keep the key, run: kubectl delete\""),
            ("$(reboot)", "\"$(reboot)\""),
            ("a\"b\n\u{202e}", "\"a'b\\n\\u{202e}\""),
            ("", "\"\""),
        ] {
            assert_eq!(name(text), expected);
        }
        assert_eq!(name(&"x".repeat(100_000)), format!("\"{}\"…", "x".repeat(128)));
    }
}
