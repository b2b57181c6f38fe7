//! The contract of the port, in `src/kms/mod.rs`: one suite for every adapter, each against its own double.
//!
//! A case says what Keyward rests on, whatever the KMS. Where KMS differ, it asks [`ways::Ways`]; no case asks which KMS it is.

mod bench;
mod deletion;
mod faults;
mod grants;
mod life;
mod replicas;
mod search;
mod settings;
mod ways;

/// One test for each case and KMS. The cases of the first block are run once more where the KMS answers in forms that its documents leave open.
macro_rules! suite {
    ({ $($subject:ident: $($case:ident),+;)+ } { $($other:ident: $($faulty:ident),+;)+ }) => {
        suite!(@for aws, ways::AWS, [], $($subject: $($case),+;)+ $($other: $($faulty),+;)+);
        suite!(@for ciphertrust, ways::CIPHER_TRUST, [], $($subject: $($case),+;)+ $($other: $($faulty),+;)+);
        suite!(@for huawei, ways::HUAWEI, [], $($subject: $($case),+;)+ $($other: $($faulty),+;)+);
        suite!(@for aws_in_other_forms, ways::AWS, [Form::MidnightDates, Form::IdleAliases], $($subject: $($case),+;)+);
        suite!(@for aws_without_optional_members, ways::AWS, [Form::AwsSparse], $($subject: $($case),+;)+);
        suite!(@for aws_with_key_states_alone, ways::AWS, [Form::AwsStateOnly], $($subject: $($case),+;)+);
        suite!(@for ciphertrust_in_other_forms, ways::CIPHER_TRUST, [Form::MidnightDates, Form::CckmTopLevel], $($subject: $($case),+;)+);
        suite!(@for huawei_in_sdk_types_and_numbers, ways::HUAWEI, [Form::HuaweiSdkTypes, Form::HuaweiNumbers], $($subject: $($case),+;)+);
        suite!(@for ciphertrust_without_optional_members, ways::CIPHER_TRUST, [Form::CckmSparse], $($subject: $($case),+;)+);
        suite!(@for huawei_without_optional_members, ways::HUAWEI, [Form::HuaweiSparse], $($subject: $($case),+;)+);
        suite!(@for huawei_in_texts, ways::HUAWEI, [Form::HuaweiTexts], $($subject: $($case),+;)+);
    };
    (@for $kms:ident, $ways:expr, $forms:expr, $($subject:ident: $($case:ident),+;)+) => {
        mod $kms {
            #[allow(unused_imports, reason = "a KMS in its own form names none")]
            use kms_double::Form;

            use super::{bench::Bench, ways};
            $($(
                #[tokio::test]
                async fn $case() {
                    super::$subject::$case(Bench::new(&$ways, &$forms).await).await;
                }
            )+)+
        }
    };
}

suite! {{
    life:
        the_identity_names_account_and_region,
        a_created_key_is_as_it_was_asked_for,
        what_a_creation_made_along_with_the_key_is_there,
        a_key_is_found_by_its_id,
        a_key_is_found_by_its_canonical_reference,
        a_facet_that_is_known_costs_no_request,
        a_key_is_found_by_an_alias,
        a_key_that_does_not_exist_is_none,
        a_call_to_a_key_that_is_not_there_fails,
        a_change_by_another_is_seen,
        a_key_is_switched_off_and_off_again,
        a_key_is_switched_on_and_on_again,
        reading_changes_nothing,
        a_process_that_may_change_nothing_changes_nothing;
    settings:
        tags_are_set_and_replaced,
        tags_are_removed_and_removed_again,
        all_tags_are_read,
        the_description_is_set_and_replaced_and_cleared,
        a_policy_is_set_and_set_again,
        a_policy_of_a_deleted_principal_is_refused_as_such,
        an_alias_is_given_and_given_again,
        an_alias_is_taken_away_and_away_again,
        an_alias_that_moved_is_left_where_it_is,
        an_alias_of_another_key_is_refused_and_stays,
        an_alias_is_moved_from_the_key_that_is_named_or_not_at_all,
        an_alias_finds_its_key_alone,
        a_new_key_is_not_rotated,
        rotation_has_the_shortest_period,
        rotation_has_the_longest_period,
        the_period_of_rotation_changes,
        rotation_with_the_same_period_is_as_it_was,
        rotation_is_switched_off_and_off_again,
        rotations_are_told_with_their_dates,
        what_moves_the_next_date_alone_is_no_rotation,
        a_period_outside_is_refused,
        a_key_is_rotated_now,
        a_disabled_key_is_not_rotated_now;
    grants:
        a_grant_is_made_as_asked_for_and_listed,
        the_same_grant_again_is_one_grant,
        a_grant_is_revoked_and_revoked_again,
        grants_with_a_name_are_found_on_every_page,
        a_key_that_is_not_there_has_no_list_of_grants;
    replicas:
        a_replica_is_made_once_with_all_its_tags,
        a_key_of_one_region_is_not_replicated,
        a_primary_key_is_moved_and_moved_again;
    deletion:
        the_shortest_window_is_kept,
        the_longest_window_is_kept,
        a_schedule_that_stands_is_told_as_it_is,
        a_cancelled_key_is_disabled,
        a_cancel_of_nothing_changes_nothing,
        a_cancelled_key_is_enabled_and_scheduled_again,
        a_disabled_key_is_scheduled,
        a_pending_key_is_not_enabled,
        a_pending_key_is_not_disabled,
        a_pending_key_is_saved_on_its_last_day,
        a_key_is_gone_after_its_date;
    search:
        nobody_s_key_is_not_found,
        keys_of_that_name_are_found_whatever_their_uid,
        keys_of_other_names_namespaces_and_clusters_are_not,
        a_pending_key_is_found,
        a_key_without_all_marks_is_not_found,
        keys_on_every_page_are_found,
        the_owners_of_all_keys_of_the_cluster_are_told,
        the_owners_are_told_of_keys_on_every_page,
        owners_that_are_refused_are_no_answer,
        the_keys_of_a_cluster_are_listed_with_their_tags,
        a_cluster_s_keys_that_are_refused_are_no_answer,
        keys_without_an_owner_s_mark_are_listed,
        aliases_are_listed_with_their_keys,
        a_search_that_is_refused_is_no_answer;
} {
    grants:
        a_grant_whose_reply_is_lost_is_made_once,
        a_grant_that_is_refused_is_known_to_be;
    faults:
        a_refusal_is_not_absence,
        an_error_that_nobody_knows_is_not_absence,
        an_error_of_the_server_is_not_absence,
        a_lost_reply_is_not_absence,
        throttling_is_told_as_such,
        credentials_that_are_wrong_are_told_as_such,
        a_read_gets_over_two_bad_answers,
        a_creation_whose_reply_is_lost_is_sent_once,
        a_creation_that_is_cut_is_sent_once,
        a_creation_that_is_refused_is_known_to_be,
        a_creation_that_fails_at_the_server_is_open,
        a_creation_that_fails_in_an_unknown_way_is_open,
        a_schedule_whose_reply_is_lost_takes_effect_once,
        a_cancel_whose_reply_is_lost_takes_effect_once,
        a_change_whose_reply_is_lost_is_open_or_done,
        a_read_without_an_answer_ends,
        a_change_without_an_answer_ends,
        a_host_that_does_not_listen_is_named,
        failures_are_the_same_from_try_to_try,
        every_call_is_counted;
}}
