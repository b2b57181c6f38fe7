//! The mark `keyward-intent`: the last word about a key's life, as it is written on the key.
//!
//! Whoever may tag the key can write anything there, so Keyward reads it as input: a text with a number outside its bounds is no mark.

use std::{fmt, str::FromStr};

use crate::api::managed_key::HoldReason;

/// The largest sequence number, and the largest generation, of a mark: 2^53. Every reader of JSON reads it exactly. A count never begins again, so no word
/// can be written beyond it.
pub const MAX_SEQ: i64 = 1 << 53;

/// What the next word on the key has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saying {
    /// `live`: the object was seen without `deletionScheduleDays`.
    Live,
    /// `held`, with a new nonce, for this reason.
    Held(HoldReason),
    /// The word that the object announced last, which is not on the key.
    Again,
}

/// Why a deletion may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// This object saw the key alive, and then asked.
    Edge,
    /// Our own call was under way. It is sent again, without a new word.
    OpenCall,
    /// The declared days changed while the key was pending with exactly our schedule.
    ChangedDays,
    /// A person confirmed.
    Confirmed,
}

/// Six letters that are made together with the word `held`, so that nobody can write a token before its hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Nonce([u8; Nonce::LENGTH]);

impl Nonce {
    /// The number of letters.
    pub const LENGTH: usize = 6;

    /// Makes letters from random bytes.
    #[must_use]
    pub const fn of(random: [u8; Self::LENGTH]) -> Self {
        let [one, two, three, four, five, six] = random;
        Self([Self::letter(one), Self::letter(two), Self::letter(three), Self::letter(four), Self::letter(five), Self::letter(six)])
    }

    const fn letter(byte: u8) -> u8 {
        b'a' + byte % 26
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|&letter| write!(f, "{}", char::from(letter)))
    }
}

impl FromStr for Nonce {
    type Err = NotAnIntent;

    fn from_str(text: &str) -> Result<Self, NotAnIntent> {
        let letters: [u8; Self::LENGTH] = text.as_bytes().try_into().map_err(|_| NotAnIntent)?;
        if letters.iter().all(u8::is_ascii_lowercase) { Ok(Self(letters)) } else { Err(NotAnIntent) }
    }
}

/// The last word about a key's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Word {
    /// The object was seen without `deletionScheduleDays`.
    Live,
    /// A deletion is held. Without a nonce there is no token for it. Keyward always writes one.
    Held(Option<Nonce>),
    /// Keyward is about to schedule the deletion with this many days, or did.
    Days(i32),
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Live => f.write_str("live"),
            Self::Held(None) => f.write_str("held"),
            Self::Held(Some(nonce)) => write!(f, "held-{nonce}"),
            Self::Days(days) => write!(f, "{days}"),
        }
    }
}

impl FromStr for Word {
    type Err = NotAnIntent;

    fn from_str(text: &str) -> Result<Self, NotAnIntent> {
        match text {
            "live" => Ok(Self::Live),
            "held" => Ok(Self::Held(None)),
            _ => match text.strip_prefix("held-") {
                Some(nonce) => Ok(Self::Held(Some(nonce.parse()?))),
                None => Ok(Self::Days(i32::try_from(number(text)?).map_err(|_| NotAnIntent)?)),
            },
        }
    }
}

/// A number as Keyward writes it: no sign, no leading zero, at most [`MAX_SEQ`].
fn number(text: &str) -> Result<i64, NotAnIntent> {
    match text.parse::<i64>() {
        Ok(value) if (0..=MAX_SEQ).contains(&value) && value.to_string() == text => Ok(value),
        _ => Err(NotAnIntent),
    }
}

/// The mark `keyward-intent`: `<seq>.<generation>.<live|held-nonce|N>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Intent {
    /// Grows with each word; at most `MAX_SEQ`.
    pub seq: i64,
    /// Generation of the object when the word was written.
    pub generation: i64,
    /// The word.
    pub word: Word,
}

impl fmt::Display for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seq, generation, word } = self;
        write!(f, "{seq}.{generation}.{word}")
    }
}

/// A text that is not an intent mark.
#[derive(Debug, PartialEq, Eq)]
pub struct NotAnIntent;

impl FromStr for Intent {
    type Err = NotAnIntent;

    fn from_str(text: &str) -> Result<Self, NotAnIntent> {
        let mut parts = text.split('.');
        let (Some(seq), Some(generation), Some(word), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(NotAnIntent);
        };
        Ok(Self { seq: number(seq)?, generation: number(generation)?, word: word.parse()? })
    }
}

/// What the key has as its intent mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntentMark {
    /// No mark.
    Missing,
    /// A text that Keyward did not write.
    Malformed,
    /// A text that begins with a number above [`MAX_SEQ`]. No word can follow it.
    CountEnded,
    /// The last word.
    Is(Intent),
}

impl IntentMark {
    /// Reads the tag.
    #[must_use]
    pub fn read(text: &str) -> Self {
        if let Ok(intent) = text.parse() {
            return Self::Is(intent);
        }
        let seq = text.split('.').next().unwrap_or_default();
        let beyond =
            !seq.is_empty() && seq.bytes().all(|byte| byte.is_ascii_digit()) && seq.parse::<i64>().map_or(true, |seq| seq > MAX_SEQ);
        if beyond { Self::CountEnded } else { Self::Malformed }
    }

    /// The number of the next word: above the key's, the object's (`own`), and at least `floor`. `None`: one of them is outside its bounds, or the next would be,
    /// so the count cannot go on.
    #[must_use]
    pub fn next_seq(self, own: Option<i64>, floor: i64) -> Option<i64> {
        let on_key = match self {
            Self::Is(intent) => intent.seq,
            Self::Missing | Self::Malformed => 0,
            Self::CountEnded => return None,
        };
        let own = own.unwrap_or(0);
        let last = on_key.max(own).max(floor.checked_sub(1)?);
        ((0..=MAX_SEQ).contains(&own) && last < MAX_SEQ).then(|| last + 1)
    }

    /// Whether the mark says `live` for this generation, with the number that this object announced last.
    #[must_use]
    pub fn is_live(self, generation: i64, own: Option<i64>) -> bool {
        matches!(self, Self::Is(Intent { seq, generation: written, word: Word::Live }) if written == generation && own == Some(seq))
    }

    /// The token that confirms disabling the key with its object: `<key id>@<seq>-<nonce>-disable`. It does not confirm a deletion: the person who wrote it was
    /// only told that the key will be disabled.
    #[must_use]
    pub fn token_to_disable(self, key_id: &str) -> Option<String> {
        self.token(key_id).map(|token| format!("{token}-disable"))
    }

    /// The token that confirms the held deletion: `<key id>@<seq>-<nonce>`. It is void as soon as the mark changes.
    #[must_use]
    pub fn token(self, key_id: &str) -> Option<String> {
        match self {
            Self::Is(Intent { seq, word: Word::Held(Some(nonce)), .. }) => Some(format!("{key_id}@{seq}-{nonce}")),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nonce() -> Nonce {
        "abcxyz".parse().unwrap()
    }

    #[test]
    fn a_mark_reads_back_as_it_was_written() {
        let held = Word::Held(Some(nonce()));
        for (text, word) in
            [("1.1.live", Word::Live), ("12.3.held-abcxyz", held), ("12.3.held", Word::Held(None)), ("7.9.30", Word::Days(30))]
        {
            let intent: Intent = text.parse().unwrap();
            assert_eq!((intent.word, intent.to_string()), (word, text.to_owned()));
        }
        for text in [
            "",
            "1.live",
            "1.1.1.live",
            "a.1.live",
            "1.-1.live",
            "-1.1.live",
            "+1.1.live",
            "1.1.LIVE",
            "01.1.live",
            "1.1.7d",
            "1.1.",
            "1.1.held-",
            "1.1.held-abc",
            "1.1.held-abcdefg",
            "1.1.held-ABCDEF",
            "1.1.held-äcd",
            "1.1.4294967296",
            "1.9007199254740993.live",
        ] {
            assert_eq!(IntentMark::read(text), IntentMark::Malformed, "{text:?}");
        }
    }

    #[test]
    fn a_number_beyond_its_bound_ends_the_count() {
        let last = format!("{MAX_SEQ}.1.live");
        assert_eq!(IntentMark::read(&last), IntentMark::Is(Intent { seq: MAX_SEQ, generation: 1, word: Word::Live }));
        assert_eq!(IntentMark::read(&last).next_seq(None, 0), None);
        for text in ["9007199254740993.1.live", "9223372036854775807.1.live", "99999999999999999999.1.live", "9223372036854775807"] {
            assert_eq!(IntentMark::read(text), IntentMark::CountEnded, "{text}");
            assert_eq!(IntentMark::read(text).next_seq(Some(1), 0), None, "{text}");
        }
    }

    #[test]
    fn a_new_word_is_above_the_key_the_object_and_the_floor() {
        let mark = IntentMark::read("4.1.live");
        for (mark, own, floor, expected) in [
            (mark, None, 0, Some(5)),
            (mark, Some(7), 0, Some(8)),
            (mark, Some(7), 100, Some(100)),
            (IntentMark::Missing, None, 0, Some(1)),
            (IntentMark::Malformed, Some(2), 0, Some(3)),
            (mark, Some(MAX_SEQ - 1), 0, Some(MAX_SEQ)),
            (mark, Some(MAX_SEQ), 0, None),
            (mark, Some(MAX_SEQ + 1), 0, None),
            (mark, Some(i64::MAX), 0, None),
            (mark, Some(-1), 0, None),
            (mark, Some(i64::MIN), 0, None),
            (mark, Some(1), i64::MIN, None),
        ] {
            assert_eq!(mark.next_seq(own, floor), expected, "{mark:?} {own:?} {floor}");
        }
    }

    #[test]
    fn live_counts_only_for_this_generation_and_this_objects_number() {
        let mark = IntentMark::read("4.2.live");
        assert!(mark.is_live(2, Some(4)));
        assert!(!mark.is_live(3, Some(4)));
        assert!(!mark.is_live(2, Some(3)));
        assert!(!mark.is_live(2, None));
    }

    #[test]
    fn only_a_hold_with_a_nonce_has_a_token() {
        assert_eq!(IntentMark::read("4.2.held-abcxyz").token("key-1").as_deref(), Some("key-1@4-abcxyz"));
        for text in ["4.2.held", "4.2.live", "4.2.7", "", "yes"] {
            assert_eq!(IntentMark::read(text).token("key-1"), None, "{text}");
        }
        assert_eq!(Nonce::of([0, 25, 26, 51, 255, 97]).to_string(), "azazvt");
    }
}
