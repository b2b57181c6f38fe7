//! Stories that are the same for each KMS: the rows of the table, ownership, the guard, drift and a key that is gone. Each is written once
//! and run on all three.
//!
//! For AWS with the real program on a real API server, for the others in memory; the KMS is on the wire for all. `reconcile` has all the rest on AWS. Where KMS
//! differ, a story asks [`crate::support::vendor::Vendor`]; none asks which KMS it is.

mod gone;
mod guard;
mod handover;
mod holds;
mod input;
mod life;
mod orphans;
mod ownership;
mod room;
mod rotation;
mod rows;
mod sparse;
mod stale;

/// One test for each story and KMS.
macro_rules! stories {
    ($($subject:ident: $($story:ident),+;)+) => {
        stories!(@for aws, AWS, $($subject: $($story),+;)+);
        stories!(@for ciphertrust, CIPHER_TRUST, $($subject: $($story),+;)+);
        stories!(@for huawei, HUAWEI, $($subject: $($story),+;)+);
    };
    (@for $kms:ident, $vendor:ident, $($subject:ident: $($story:ident),+;)+) => {
        mod $kms {
            $($(
                #[tokio::test]
                async fn $story() {
                    super::$subject::$story(&crate::support::vendor::$vendor).await;
                }
            )+)+
        }
    };
}

stories! {
    rows:
        a_key_is_created_with_all_that_is_declared,
        a_key_is_created_disabled,
        a_key_is_scheduled_with_its_days_then_cancelled_and_enabled,
        a_cancelled_key_that_is_to_be_disabled_stays_disabled,
        other_days_are_one_cancel_and_one_schedule,
        days_that_the_kms_cannot_take_change_nothing,
        a_disabled_key_is_scheduled,
        settings_change_and_go,
        what_a_state_does_not_allow_is_said,
        a_settled_key_costs_at_most_two_requests_a_read_and_no_write,
        what_is_observed_is_not_changed;
    ownership:
        a_new_object_of_the_name_takes_the_key_up,
        a_key_is_adopted_where_the_rules_admit_it,
        a_key_of_another_object_is_left_alone,
        a_key_of_a_stranger_is_not_adopted,
        a_key_whose_marks_are_gone_is_left_alone,
        an_object_that_lost_its_status_keeps_its_key;
    guard:
        a_deletion_without_a_key_creates_none,
        a_deletion_that_was_there_from_the_start_is_held_until_the_command_is_run,
        a_deletion_cancelled_outside_stays_cancelled,
        a_key_disabled_outside_is_enabled_again,
        a_key_scheduled_outside_is_cancelled,
        tags_that_others_change_come_back,
        the_object_s_end_does_what_its_policy_says;
    holds:
        a_hold_that_cannot_be_written_outlives_a_rescue,
        a_hold_of_a_deleted_object_outlives_a_rescue,
        a_mark_that_goes_back_is_no_edge,
        other_days_come_about_though_the_schedule_is_throttled,
        other_days_replace_those_that_were_refused,
        a_withdrawn_deletion_brings_the_key_back_though_no_tag_can_be_written,
        a_key_that_was_taken_up_lately_is_not_deleted_without_a_confirmation,
        a_token_that_was_written_before_its_hold_confirms_nothing,
        a_withdrawal_is_finished_though_enabling_was_throttled,
        an_object_that_is_made_again_rescues_its_key_under_enforce_on_change;
    life:
        no_setting_holds_up_the_life_of_a_key;
    room:
        more_tags_are_renamed_than_there_is_room_for,
        a_tag_of_a_full_key_is_renamed,
        an_alias_of_a_full_key_is_renamed,
        more_aliases_are_renamed_than_there_is_room_for;
    handover:
        two_objects_swap_their_aliases_and_three_pass_them_on,
        an_alias_is_handed_over_whichever_object_is_changed_first,
        an_alias_that_nobody_takes_goes_and_one_that_was_not_let_go_stays;
    rotation:
        a_rotation_is_told_once_with_the_date_of_the_kms,
        rotation_that_is_switched_off_outside_and_corrected_is_none,
        rotation_that_was_off_on_its_date_is_none;
    orphans:
        what_is_left_behind_is_listed_and_nothing_is_changed;
    gone:
        a_key_whose_date_has_passed_is_deleted,
        a_key_gone_without_a_known_deletion_is_missing_and_never_replaced;
}
