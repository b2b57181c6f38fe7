//! Notices if the API server's storage went back to an earlier revision, for example because etcd was restored from a snapshot.
//!
//! A watch does not show this: it stays silent until the revision passes the one from which it watches. But an object that is read again
//! and again shows it, because its resourceVersion never goes down in normal operation. By the API's old convention this number is opaque.
//! Since Kubernetes 1.35 it is declared comparable, and in etcd it always was a growing number. A version that is not a number is ignored.

/// The highest version that was seen of one object or one list.
#[derive(Clone, Copy, Debug, Default)]
pub struct Revision(Option<u64>);

impl Revision {
    /// Records a version. Returns whether it is lower than a version that was seen before.
    #[must_use]
    pub fn went_back(&mut self, version: Option<&str>) -> bool {
        let Some(version) = number(version) else { return false };
        self.0.replace(version).is_some_and(|before| version < before)
    }
}

/// Whether a version is lower than a version of the same object that was read before.
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
