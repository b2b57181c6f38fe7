//! What a read of all keys of an account found, and what of it was denied.

use futures::{Stream, StreamExt};

use crate::domain::failure::{Failure, FailureKind};

/// The keys that were looked for among all keys of an account and Region.
#[derive(Debug)]
pub struct Listing<T> {
    /// Those that were found, in no order.
    pub found: Vec<T>,
    /// One failure for each key that the KMS did not let us read. Whether it is one of those that were looked for is not known.
    pub denied: Vec<Failure>,
}

impl<T> Listing<T> {
    /// All of them could be read.
    pub(super) const fn whole(found: Vec<T>) -> Self {
        Self { found, denied: Vec::new() }
    }

    /// From the reads of all keys; `None`: a key that was not looked for.
    ///
    /// # Errors
    /// A read failed for another reason than a denial, or every read was denied, so that nothing is known.
    pub(super) async fn of(mut reads: impl Stream<Item = Result<Option<T>, Failure>> + Unpin) -> Result<Self, Failure> {
        let (mut listing, mut told) = (Self::whole(Vec::new()), false);
        while let Some(read) = reads.next().await {
            match read {
                Ok(key) => {
                    told = true;
                    listing.found.extend(key);
                }
                Err(failure) if failure.kind == FailureKind::Denied => listing.denied.push(failure),
                Err(failure) => return Err(failure),
            }
        }
        match listing.denied.pop() {
            Some(failure) if !told => Err(failure),
            last => {
                listing.denied.extend(last);
                Ok(listing)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;
    use crate::domain::failure::Outcome;

    fn failure(kind: FailureKind) -> Failure {
        Failure { kind, operation: "List", message: "no".into(), outcome: Outcome::Refused, source: None }
    }

    async fn listed(reads: Vec<Result<Option<u8>, FailureKind>>) -> Result<(Vec<u8>, usize), FailureKind> {
        let reads = stream::iter(reads.into_iter().map(|read| read.map_err(failure)));
        Listing::of(reads).await.map(|listing| (listing.found, listing.denied.len())).map_err(|failure| failure.kind)
    }

    #[tokio::test]
    async fn what_is_denied_is_counted_and_any_other_failure_is_no_answer() {
        use FailureKind::{Denied, Throttled};
        assert_eq!(listed(vec![]).await, Ok((vec![], 0)));
        assert_eq!(listed(vec![Ok(Some(1)), Err(Denied), Ok(None), Err(Denied)]).await, Ok((vec![1], 2)));
        assert_eq!(listed(vec![Ok(None), Err(Denied)]).await, Ok((vec![], 1)), "a key that was not looked for was read");
        assert_eq!(listed(vec![Err(Denied), Err(Denied)]).await, Err(Denied), "nothing is known");
        assert_eq!(listed(vec![Ok(Some(1)), Err(Throttled)]).await, Err(Throttled));
    }
}
