//! What an attacker can and cannot bring about, row by row, as `docs/threat-model.md` lists it.

mod credentials;
mod endpoints;
mod tagger;

/// One test for each attack and KMS.
macro_rules! on_each {
    ($($attack:ident),+ $(,)?) => {
        on_each!(@for aws, AWS, $($attack),+);
        on_each!(@for ciphertrust, CIPHER_TRUST, $($attack),+);
        on_each!(@for huawei, HUAWEI, $($attack),+);
    };
    (@for $kms:ident, $vendor:ident, $($attack:ident),+) => {
        mod $kms {
            $(
                #[tokio::test]
                async fn $attack() {
                    super::tagger::$attack(&crate::support::vendor::$vendor).await;
                }
            )+
        }
    };
}

on_each! {
    no_forged_mark_has_a_key_deleted,
    no_forged_mark_ends_a_hold,
    a_lower_number_is_replaced_by_the_objects_own,
    swapped_marks_stop_both_objects,
    a_new_object_gets_what_its_marks_name_and_no_deletion_follows,
    tags_that_are_put_back_at_once_end_no_hold,
    an_alias_that_was_moved_before_the_adoption_leads_to_the_other_key_and_to_no_deletion,
}
