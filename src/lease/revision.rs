//! Whether the API server's storage was set back to an earlier revision, as an etcd that was restored from a snapshot is.
//!
//! A watch does not tell: it stays silent until the revision passes the one from which it watches. An object that is read again and again does: its
//! resourceVersion never goes down while the storage goes on. That number is opaque by the API's old convention; since Kubernetes 1.35 it is declared to be
//! comparable, and etcd's always was a growing number. A version that is no number says nothing, and nothing is concluded from it.

/// The highest version of one object, or of one list, that was seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Revision(Option<u64>);

impl Revision {
    /// Notes a version; says whether it is below one that was seen before.
    #[must_use]
    pub fn went_back(&mut self, version: Option<&str>) -> bool {
        let Some(version) = number(version) else { return false };
        self.0.replace(version).is_some_and(|before| version < before)
    }
}

/// Whether a version that was read is below another that had been read before, of the same object.
#[must_use]
pub fn is_before(read: Option<&str>, before: Option<&str>) -> bool {
    number(read).zip(number(before)).is_some_and(|(read, before)| read < before)
}

fn number(version: Option<&str>) -> Option<u64> {
    version?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_that_goes_down_is_told_once() {
        let mut revision = Revision::default();
        let told = [
            None,
            Some("41"),
            Some("42"),
            Some("42"),
            Some(""),
            Some("a7"),
            Some("-1"),
            Some("40"),
            Some("41"),
            Some("99"),
            None,
            Some("98"),
        ]
        .map(|version| revision.went_back(version));
        assert_eq!(told, [false, false, false, false, false, false, false, true, false, false, false, true]);

        assert!(is_before(Some("9"), Some("10")), "as numbers, not as text");
        for (read, before) in
            [(Some("10"), Some("9")), (Some("9"), Some("9")), (None, Some("9")), (Some("9"), None), (Some("x"), Some("y"))]
        {
            assert!(!is_before(read, before), "{read:?} {before:?}");
        }
    }
}
