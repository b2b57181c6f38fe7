//! What an object remembers of its rotations on demand: `status.rotation.onDemand`.
//!
//! A request is the text of an annotation. The rotation that it causes costs one of the few that AWS allows, so no text may cause two. A manifest cannot
//! change the status, so it cannot drop this record. If the record is lost or set back all the same, the KMS's own record shows a rotation that the object does
//! not know, and a person is asked.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sha2::{Digest, Sha256};

use super::{
    observed::{Rotation, Rotations},
    periods::ROTATION_AWAITED,
};
use crate::{
    api::{
        ManagedKeyStatus,
        condition::seconds,
        managed_key::{LONGEST_REQUEST, MOST_HANDLED, OnDemand, RotationRequest, RotationState},
    },
    text,
};

/// The bytes of a digest. They become 16 characters.
const DIGEST: usize = 12;

/// The text of a request, as it is compared and shown: on one line, and not longer than the status can have it. An empty text requests nothing.
#[must_use]
pub fn request(annotation: &str) -> Option<String> {
    let text: String = text::shown(annotation).chars().take(LONGEST_REQUEST).collect();
    (!text.is_empty()).then_some(text)
}

/// The record of an object's rotations on demand, if it has one.
#[must_use]
pub fn of(status: &ManagedKeyStatus) -> Option<&OnDemand> {
    status.rotation.as_ref()?.on_demand.as_ref()
}

/// The same, to change it.
pub fn of_mut(status: &mut ManagedKeyStatus) -> &mut OnDemand {
    status.rotation.get_or_insert_default().on_demand.get_or_insert_default()
}

/// Whether that text was handled, now or before.
#[must_use]
pub fn has_handled(record: &OnDemand, text: &str) -> bool {
    record.last_handled.as_deref() == Some(text) || was_handled_before(record, text)
}

/// Whether that text was handled before the last one.
#[must_use]
pub fn was_handled_before(record: &OnDemand, text: &str) -> bool {
    record.earlier.contains(&digest(text))
}

fn digest(text: &str) -> String {
    let bytes = Sha256::digest(text.as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(bytes.get(..DIGEST).unwrap_or_default())
}

/// Records that a text was handled. It causes no further rotation.
fn handle(record: &mut OnDemand, text: &str) {
    if record.last_handled.as_deref() == Some(text) {
        return;
    }
    if let Some(before) =
        record.last_handled.replace(text.into()).map(|before| digest(&before)).filter(|before| !record.earlier.contains(before))
    {
        record.earlier.push(before);
    }
    let surplus = record.earlier.len().saturating_sub(MOST_HANDLED);
    record.earlier.drain(..surplus);
}

/// Records a request before it is sent. `listed`: what the KMS had on record.
pub fn open(record: &mut OnDemand, text: &str, listed: Option<&Rotations>, now: Timestamp) {
    let newest = listed.and_then(newest);
    record.request = Some(RotationRequest { text: text.into(), time: seconds(now), newest, state: RotationState::Open });
}

/// The KMS accepted the request.
pub fn accepted(record: &mut OnDemand) {
    let Some(request) = record.request.as_mut() else { return };
    request.state = RotationState::Accepted;
    let text = request.text.clone();
    handle(record, &text);
    record.used = record.used.map(|used| used.saturating_add(1));
}

/// The KMS refused the request for certain.
pub fn refused(record: &mut OnDemand) {
    if let Some(request) = record.request.as_mut().filter(|request| request.state == RotationState::Open) {
        request.state = RotationState::Refused;
    }
}

/// The newest rotation that may have been on demand, by the KMS's clock alone.
#[must_use]
pub fn newest(listed: &Rotations) -> Option<Time> {
    listed.on_demand().map(|rotated| rotated.date).max().map(seconds)
}

/// The first of those rotations after that one. Of several newer ones, the first is the one that was requested.
fn next_after(listed: &Rotations, after: Option<&Time>) -> Option<Time> {
    listed.on_demand().map(|rotated| seconds(rotated.date)).filter(|date| Some(date) > after).min()
}

/// Whether the KMS shows that a request took effect: it rotates the key now, or has a newer rotation on record. Somebody else's rotation looks the same. Then
/// the request counts as done, because a second rotation could be one too many.
#[must_use]
pub fn took_effect(request: &RotationRequest, found: Option<Rotation>, listed: Option<&Rotations>) -> bool {
    found.is_some_and(|found| found.rotating_since.is_some()) || listed.and_then(newest) > request.newest
}

/// Whether the KMS is still to be asked, in each round, for a rotation that was requested.
#[must_use]
pub fn is_awaited(record: &OnDemand, now: Timestamp) -> bool {
    record
        .request
        .as_ref()
        .is_some_and(|request| request.state != RotationState::Refused && now.duration_since(request.time.0) < ROTATION_AWAITED)
}

/// What a look at the key shows of its rotations on demand.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// The text that the object has now.
    pub asked: Option<&'a str>,
    /// Whether the object had its key before this look.
    pub had_key: bool,
    /// Rotation, if it was read.
    pub found: Option<Rotation>,
    /// The KMS's list, if it was read.
    pub listed: Option<&'a Rotations>,
    /// Whether the KMS counts rotations on demand.
    pub counts: bool,
    /// The time of the look.
    pub now: Timestamp,
}

/// Records what a look shows.
///
/// A text that the object had when it got its key came with a manifest or a backup, so it is no new request. A text that was handled before comes from an old
/// manifest. Both count as handled.
pub fn seen(record: &mut OnDemand, look: &Look<'_>) {
    if let Some(text) = look.asked.filter(|text| !look.had_key || was_handled_before(record, text)) {
        handle(record, text);
    }
    let along = look.found.and_then(|found| found.told());
    let listed = look.listed.or(along.as_ref());
    let newest = listed.and_then(newest);
    if let Some(mut request) = record.request.take() {
        if request.state == RotationState::Open && took_effect(&request, look.found, listed) {
            request.state = RotationState::Accepted;
            handle(record, &request.text);
        }
        let is_asked = look.asked == Some(&*request.text);
        let is_over = match request.state {
            RotationState::Accepted => {
                let own = listed.and_then(|listed| next_after(listed, request.newest.as_ref()));
                let is_shown = own.is_some();
                record.last_time = own.max(record.last_time.take());
                is_shown
            }
            RotationState::Refused => !is_asked,
            RotationState::Open => !is_asked && look.now.duration_since(request.time.0) >= ROTATION_AWAITED,
        };
        record.request = (!is_over).then_some(request);
    }
    let Some(listed) = listed else { return };
    let underway = record.request.as_ref().is_some_and(|request| request.state == RotationState::Accepted);
    if look.counts {
        record.used = i32::try_from(listed.on_demand().count()).ok().map(|used| used.saturating_add(i32::from(underway)));
    }
    // While a text is not handled, a rotation that the object does not know stays unknown, so that a person is asked about it in each round.
    let is_open = look.asked.is_some_and(|text| !has_handled(record, text));
    if record.request.is_none() && !is_open {
        record.last_time = newest.max(record.last_time.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{api::managed_key::RotationType, domain::observed::Rotated};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn listed(dates: &[i64]) -> Rotations {
        Rotations(dates.iter().map(|date| Rotated { date: at(*date), kind: Some(RotationType::OnDemand) }).collect())
    }

    fn look<'a>(asked: Option<&'a str>, listed: Option<&'a Rotations>, now: i64) -> Look<'a> {
        Look { asked, had_key: true, found: Some(Rotation::default()), listed, counts: true, now: at(now) }
    }

    #[test]
    fn a_text_is_bounded_and_shown_on_one_line() {
        assert_eq!(request(""), None);
        assert_eq!(request("a\nb\u{1b}").as_deref(), Some("a\\nb\\u{1b}"));
        assert_eq!(request(&"é".repeat(5000)).unwrap().chars().count(), LONGEST_REQUEST);
    }

    #[test]
    fn no_text_is_handled_twice_however_old_it_is() {
        let mut record = OnDemand::default();
        for text in ["a", "b", "c", "b"] {
            handle(&mut record, text);
        }
        for text in ["a", "b", "c"] {
            assert!(has_handled(&record, text), "{text}");
        }
        assert!(!has_handled(&record, "d"));
        assert_eq!(record.earlier.len(), 3, "each once: {:?}", record.earlier);
        for number in 0..1000 {
            handle(&mut record, &number.to_string());
        }
        assert_eq!((record.earlier.len(), has_handled(&record, "999"), has_handled(&record, "940")), (MOST_HANDLED, true, true));
        assert!(record.earlier.iter().all(|digest| digest.len() == 16));
    }

    #[test]
    fn a_request_is_recorded_sent_and_found_on_the_kms_s_record() {
        let (old, new) = (listed(&[5]), listed(&[5, 20]));
        let mut record = OnDemand { used: Some(1), last_time: Some(seconds(at(5))), ..OnDemand::default() };
        open(&mut record, "a", Some(&old), at(10));
        assert!(!has_handled(&record, "a") && is_awaited(&record, at(11)));
        seen(&mut record, &look(Some("a"), Some(&old), 11));
        assert_eq!(record.request.as_ref().unwrap().state, RotationState::Open, "nothing shows that it took effect");
        accepted(&mut record);
        assert_eq!((record.used, record.last_handled.as_deref()), (Some(2), Some("a")));
        seen(&mut record, &look(Some("a"), Some(&old), 12));
        assert_eq!((record.used, record.request.is_some()), (Some(2), true), "the list is late");
        seen(&mut record, &look(Some("a"), Some(&new), 30));
        assert_eq!((record.used, record.last_time.clone(), record.request.clone()), (Some(2), Some(seconds(at(20))), None));
    }

    #[test]
    fn a_lost_reply_is_found_by_the_list_or_by_a_rotation_under_way() {
        let (old, new) = (listed(&[5]), listed(&[5, 20]));
        let turning = Some(Rotation { rotating_since: Some(at(10)), ..Rotation::default() });
        for (found, shown, took) in [(None, &old, false), (None, &new, true), (turning, &old, true)] {
            let mut record = OnDemand::default();
            open(&mut record, "a", Some(&old), at(10));
            seen(&mut record, &Look { found, ..look(Some("a"), Some(shown), 11) });
            assert_eq!(has_handled(&record, "a"), took, "{found:?} {shown:?}");
        }
    }

    #[test]
    fn a_text_that_came_with_the_object_is_no_request() {
        let mut record = OnDemand::default();
        seen(&mut record, &Look { had_key: false, ..look(Some("a"), None, 1) });
        assert_eq!((record.last_handled.as_deref(), record.last_time), (Some("a"), None));
        let mut record = OnDemand::default();
        seen(&mut record, &look(Some("a"), None, 1));
        assert_eq!(record, OnDemand::default(), "it is new");
    }

    #[test]
    fn a_rotation_that_is_not_known_stays_so_while_a_request_waits() {
        let mut record = OnDemand::default();
        seen(&mut record, &look(Some("a"), Some(&listed(&[5])), 10));
        assert_eq!((record.used, record.last_time.clone()), (Some(1), None));
        seen(&mut record, &look(None, Some(&listed(&[5])), 11));
        assert_eq!(record.last_time, Some(seconds(at(5))));
    }

    #[test]
    fn a_request_that_was_withdrawn_is_forgotten_once_it_certainly_took_no_effect() {
        for (call, asked, now, stays) in [
            (RotationState::Open, None, 11, true),
            (RotationState::Open, None, 10 + 3600, false),
            (RotationState::Open, Some("a"), 10 + 3600, true),
            (RotationState::Refused, Some("a"), 11, true),
            (RotationState::Refused, Some("b"), 11, false),
            (RotationState::Accepted, None, 10 + 3600, true),
        ] {
            let mut record = OnDemand::default();
            open(&mut record, "a", None, at(10));
            record.request.as_mut().unwrap().state = call;
            seen(&mut record, &look(asked, Some(&listed(&[])), now));
            assert_eq!(record.request.is_some(), stays, "{call:?} {asked:?} {now}");
        }
    }
}
