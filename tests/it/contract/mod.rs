//! What AWS's documents say of KMS, as cases that any KMS server can be held to.
//!
//! Each case drives the AWS SDK and names the document that it rests on.
//! All of them run against our double, so that it cannot drift from the documents, and against `LocalStack`, which is
//! written by people who have nothing to do with this repository: a misreading that is in both the case and the double shows there.
//!
//! Where `LocalStack` departs from the documents, the row says what it does instead, in the words with which the case notices it.
//! A declared departure has to be seen, exactly so, at every run; the rows can therefore not grow stale.
//!
//! A row `moves the clock` when its case lets days pass.
//! `LocalStack` has one clock for all accounts, so such cases have a server of their own, one after the other.
//!
//! `make contract` runs the cases on any other server, a real account included (`elsewhere`). A row says what its case `needs` that such a server
//! does not have, and then it is not run there.
//!
//! A case never asserts the text of a message, which AWS does not document, and never what the documents leave open.

mod case;
mod kms;
mod outcome;

mod aliases;
mod clients;
mod creation;
mod cryptography;
mod data_keys;
mod deletion;
mod description;
mod elsewhere;
mod enabling;
mod end;
mod grants;
mod identifiers;
mod identity;
mod imported;
mod pages;
mod policies;
mod replicas;
mod rotation;
mod signatures;
mod tags;

use case::{Case, cases};

cases! {
    creation::a_new_key_is_enabled_and_symmetric, "KMS API Reference, CreateKey";
    creation::an_arn_names_region_account_and_key, "KMS Developer Guide, Key identifiers (KeyId)";
    creation::a_key_id_is_a_uuid, "KMS Developer Guide, Key identifiers (KeyId)";
    creation::the_id_of_a_multi_region_key_says_so, "KMS Developer Guide, Key identifiers (KeyId)";
    creation::the_same_request_twice_makes_two_keys, "KMS API Reference, CreateKey";
    creation::an_rsa_key_needs_a_usage, "KMS API Reference, CreateKey, KeyUsage", needs "an account without other keys",
        localstack: "CreateKey was accepted";
    creation::an_hmac_key_needs_a_usage, "KMS API Reference, CreateKey, KeyUsage", needs "an account without other keys";
    creation::an_hmac_key_cannot_encrypt, "KMS API Reference, CreateKey, KeyUsage";
    creation::an_unknown_key_spec_is_refused, "KMS API Reference, CreateKey, KeySpec", needs "an account without other keys";
    creation::a_key_with_a_refused_tag_is_not_made, "KMS API Reference, CreateKey, TagException", needs "an account without other keys";
    creation::a_policy_that_is_no_json_is_refused, "KMS API Reference, CreateKey, MalformedPolicyDocumentException", needs "an account without other keys",
        localstack: "CreateKey was accepted";
    creation::a_new_key_is_governed_by_its_account, "KMS Developer Guide, Default key policy";
    policies::a_policy_is_put_and_read_back, "KMS API Reference, PutKeyPolicy and GetKeyPolicy";
    policies::a_policy_can_be_put_without_its_name, "KMS API Reference, PutKeyPolicy, PolicyName",
        localstack: "PutKeyPolicy was refused with UnsupportedOperationException";
    policies::a_policy_of_another_name_is_not_found, "KMS API Reference, GetKeyPolicy, PolicyName";
    policies::a_new_policy_that_is_no_json_is_refused, "KMS API Reference, PutKeyPolicy, MalformedPolicyDocumentException",
        localstack: "PutKeyPolicy was accepted";
    policies::a_policy_that_locks_out_its_caller_is_refused, "KMS API Reference, PutKeyPolicy, Policy",
        localstack: "PutKeyPolicy was accepted";
    policies::a_policy_of_a_deleted_principal_is_refused, "KMS API Reference, PutKeyPolicy, Policy",
        localstack: "PutKeyPolicy was accepted";
    policies::a_policy_of_32769_bytes_is_refused, "KMS API Reference, PutKeyPolicy, LimitExceededException",
        localstack: "PutKeyPolicy was accepted";
    policies::a_disabled_key_takes_a_policy, "KMS Developer Guide, Key states of AWS KMS keys";
    policies::a_pending_key_takes_a_policy, "KMS Developer Guide, Key states of AWS KMS keys";
    policies::a_policy_cannot_be_put_by_an_alias, "KMS API Reference, PutKeyPolicy, KeyId",
        localstack: "PutKeyPolicy was accepted";
    deletion::a_window_of_six_days_is_refused, "KMS API Reference, ScheduleKeyDeletion, PendingWindowInDays";
    deletion::a_window_of_thirty_one_days_is_refused, "KMS API Reference, ScheduleKeyDeletion, PendingWindowInDays";
    deletion::a_window_of_no_days_is_refused, "KMS API Reference, ScheduleKeyDeletion, PendingWindowInDays";
    deletion::a_negative_window_is_refused, "KMS API Reference, ScheduleKeyDeletion, PendingWindowInDays";
    deletion::a_window_of_seven_days_is_accepted, "KMS API Reference, ScheduleKeyDeletion, PendingWindowInDays";
    deletion::a_window_of_thirty_days_is_accepted, "KMS API Reference, ScheduleKeyDeletion, PendingWindowInDays";
    deletion::without_a_window_thirty_days_are_waited, "KMS API Reference, ScheduleKeyDeletion, PendingWindowInDays";
    deletion::scheduling_answers_the_new_state, "KMS API Reference, ScheduleKeyDeletion, KeyState of the response";
    deletion::scheduling_answers_the_key_arn, "KMS API Reference, ScheduleKeyDeletion, KeyId of the response",
        localstack: "it does not hold that the answer names the key by its ARN";
    deletion::a_pending_key_says_when_it_will_be_deleted, "KMS API Reference, KeyMetadata, DeletionDate";
    deletion::a_key_can_be_scheduled_by_its_arn, "KMS API Reference, ScheduleKeyDeletion, KeyId";
    deletion::a_key_cannot_be_scheduled_by_an_alias, "KMS API Reference, ScheduleKeyDeletion, KeyId",
        localstack: "ScheduleKeyDeletion was accepted";
    deletion::a_key_cannot_be_scheduled_by_an_alias_arn, "KMS API Reference, ScheduleKeyDeletion, KeyId",
        localstack: "ScheduleKeyDeletion was accepted";
    deletion::a_disabled_key_can_be_scheduled, "KMS Developer Guide, Key states of AWS KMS keys";
    deletion::a_second_schedule_is_refused_while_pending, "KMS Developer Guide, Key states of AWS KMS keys";
    deletion::cancelling_leaves_an_enabled_key_disabled, "KMS API Reference, CancelKeyDeletion";
    deletion::cancelling_leaves_a_disabled_key_disabled, "KMS API Reference, CancelKeyDeletion";
    deletion::cancelling_answers_the_key_arn, "KMS API Reference, CancelKeyDeletion, KeyId of the response";
    deletion::cancelling_is_refused_for_an_enabled_key, "KMS Developer Guide, Key states of AWS KMS keys";
    deletion::cancelling_is_refused_for_a_disabled_key, "KMS Developer Guide, Key states of AWS KMS keys",
        localstack: "CancelKeyDeletion was refused with DisabledException";
    deletion::a_second_cancel_is_refused, "KMS Developer Guide, Key states of AWS KMS keys",
        localstack: "CancelKeyDeletion was refused with DisabledException";
    deletion::a_deletion_cannot_be_cancelled_by_an_alias, "KMS API Reference, CancelKeyDeletion, KeyId",
        localstack: "CancelKeyDeletion was accepted";
    deletion::a_cancelled_key_can_be_enabled, "KMS API Reference, CancelKeyDeletion";
    deletion::a_cancelled_key_scheduled_again_starts_a_new_window, "KMS API Reference, ScheduleKeyDeletion, PendingWindowInDays";
    deletion::the_policy_of_a_pending_key_can_be_read, "KMS Developer Guide, Key states of AWS KMS keys";
    deletion::a_pending_key_can_still_be_read, "KMS Developer Guide, Key states of AWS KMS keys";
    end::a_key_is_there_until_its_date, "KMS API Reference, ScheduleKeyDeletion", moves the clock;
    end::a_key_is_gone_after_its_date, "KMS API Reference, ScheduleKeyDeletion", moves the clock;
    end::a_longer_window_keeps_a_key_longer, "KMS API Reference, ScheduleKeyDeletion", moves the clock;
    end::a_cancelled_key_outlives_its_date, "KMS API Reference, ScheduleKeyDeletion", moves the clock;
    end::the_aliases_of_a_key_go_with_it, "KMS API Reference, ScheduleKeyDeletion", moves the clock;
    end::the_alias_of_a_deleted_key_is_free_again, "KMS API Reference, ScheduleKeyDeletion", moves the clock;
    end::what_a_deleted_key_encrypted_cannot_be_decrypted, "KMS API Reference, ScheduleKeyDeletion", moves the clock;
    end::a_primary_starts_to_wait_when_its_last_replica_is_gone, "KMS Developer Guide, Deleting multi-Region keys", moves the clock,
        localstack: "KeyState while there is a replica is PendingDeletion";
    enabling::a_disabled_key_says_so, "KMS API Reference, KeyMetadata, Enabled";
    enabling::a_disabled_key_can_be_enabled_by_its_arn, "KMS API Reference, EnableKey, KeyId";
    enabling::disabling_a_disabled_key_changes_nothing, "KMS Developer Guide, Key states of AWS KMS keys";
    enabling::enabling_an_enabled_key_changes_nothing, "KMS Developer Guide, Key states of AWS KMS keys";
    enabling::a_pending_key_cannot_be_enabled, "KMS Developer Guide, Key states of AWS KMS keys";
    enabling::a_pending_key_cannot_be_disabled, "KMS Developer Guide, Key states of AWS KMS keys";
    enabling::a_key_cannot_be_enabled_by_an_alias, "KMS API Reference, EnableKey, KeyId",
        localstack: "EnableKey was accepted";
    enabling::a_key_cannot_be_disabled_by_an_alias, "KMS API Reference, DisableKey, KeyId",
        localstack: "DisableKey was accepted";
    rotation::a_new_key_does_not_rotate, "KMS API Reference, GetKeyRotationStatus, KeyRotationEnabled";
    rotation::without_a_period_a_key_rotates_every_365_days, "KMS API Reference, EnableKeyRotation, RotationPeriodInDays";
    rotation::a_period_of_90_days_is_accepted, "KMS API Reference, EnableKeyRotation, RotationPeriodInDays";
    rotation::a_period_of_2560_days_is_accepted, "KMS API Reference, EnableKeyRotation, RotationPeriodInDays";
    rotation::a_period_of_89_days_is_refused, "KMS API Reference, EnableKeyRotation, RotationPeriodInDays",
        localstack: "EnableKeyRotation was accepted";
    rotation::a_period_of_2561_days_is_refused, "KMS API Reference, EnableKeyRotation, RotationPeriodInDays",
        localstack: "EnableKeyRotation was accepted";
    rotation::enabling_rotation_again_changes_the_period, "KMS API Reference, EnableKeyRotation";
    rotation::rotation_can_be_disabled, "KMS API Reference, DisableKeyRotation";
    rotation::disabling_rotation_that_is_off_changes_nothing, "KMS Developer Guide, Key states of AWS KMS keys";
    rotation::rotation_of_a_disabled_key_cannot_be_enabled, "KMS Developer Guide, Key states of AWS KMS keys";
    rotation::rotation_of_a_disabled_key_cannot_be_disabled, "KMS Developer Guide, Key states of AWS KMS keys";
    rotation::disabling_a_key_keeps_its_rotation_status, "KMS API Reference, GetKeyRotationStatus, Disabled";
    rotation::rotation_of_a_pending_key_cannot_be_enabled, "KMS Developer Guide, Key states of AWS KMS keys";
    rotation::rotation_of_a_pending_key_cannot_be_disabled, "KMS Developer Guide, Key states of AWS KMS keys";
    rotation::a_pending_key_does_not_rotate, "KMS API Reference, GetKeyRotationStatus, Pending deletion",
        localstack: "KeyRotationEnabled is true";
    rotation::cancelling_brings_rotation_back, "KMS API Reference, GetKeyRotationStatus, Pending deletion";
    rotation::a_new_key_has_no_rotations, "KMS API Reference, ListKeyRotations",
        localstack: "ListKeyRotations was refused with InternalFailure";
    rotation::a_rotation_is_listed_with_its_date, "KMS API Reference, ListKeyRotations, RotationDate", moves the clock,
        localstack: "ListKeyRotations was refused with InternalFailure";
    rotation::switching_rotation_off_and_on_is_no_rotation, "KMS API Reference, ListKeyRotations, EnableKeyRotation",
        localstack: "ListKeyRotations was refused with InternalFailure";
    rotation::an_rsa_key_cannot_rotate, "KMS API Reference, EnableKeyRotation, UnsupportedOperationException",
        localstack: "EnableKeyRotation was accepted";
    rotation::an_hmac_key_cannot_rotate, "KMS API Reference, EnableKeyRotation, UnsupportedOperationException",
        localstack: "EnableKeyRotation was accepted";
    rotation::an_imported_key_cannot_rotate, "KMS Developer Guide, Key states of AWS KMS keys",
        localstack: "EnableKeyRotation was accepted";
    rotation::an_rsa_key_has_no_rotation_status, "KMS API Reference, GetKeyRotationStatus, UnsupportedOperationException",
        localstack: "GetKeyRotationStatus was accepted";
    rotation::an_imported_key_has_no_rotation_status, "KMS Developer Guide, Key states of AWS KMS keys",
        localstack: "GetKeyRotationStatus was accepted";
    rotation::rotation_cannot_be_enabled_by_an_alias, "KMS API Reference, EnableKeyRotation, KeyId",
        localstack: "EnableKeyRotation was accepted";
    rotation::a_rotation_on_demand_leaves_the_schedule_as_it_is, "KMS API Reference, RotateKeyOnDemand";
    rotation::a_rotation_on_demand_is_listed_as_such, "KMS API Reference, ListKeyRotations, RotationType", moves the clock,
        localstack: "ListKeyRotations was refused with InternalFailure";
    rotation::a_key_rotates_on_demand_twenty_five_times, "KMS API Reference, RotateKeyOnDemand, LimitExceededException", moves the clock,
        localstack: "RotateKeyOnDemand was refused with LimitExceededException";
    rotation::a_disabled_key_does_not_rotate_on_demand, "KMS Developer Guide, Key states of AWS KMS keys";
    rotation::a_pending_key_does_not_rotate_on_demand, "KMS Developer Guide, Key states of AWS KMS keys";
    rotation::an_hmac_key_does_not_rotate_on_demand, "KMS API Reference, RotateKeyOnDemand, UnsupportedOperationException";
    rotation::an_rsa_key_does_not_rotate_on_demand, "KMS API Reference, RotateKeyOnDemand, UnsupportedOperationException";
    rotation::an_imported_key_without_material_does_not_rotate_on_demand, "KMS Developer Guide, Key states of AWS KMS keys",
        localstack: "Rotation of imported keys is not supported yet";
    rotation::a_rotation_on_demand_is_told_while_it_runs, "KMS API Reference, GetKeyRotationStatus, OnDemandRotationStartDate",
        localstack: "OnDemandRotationStartDate is absent";
    rotation::a_second_rotation_on_demand_waits_for_the_first, "KMS API Reference, RotateKeyOnDemand, ConflictException",
        localstack: "RotateKeyOnDemand was accepted";
    rotation::a_key_does_not_rotate_on_demand_by_an_alias, "KMS API Reference, RotateKeyOnDemand, KeyId",
        localstack: "RotateKeyOnDemand was accepted";
    tags::tags_given_at_creation_are_there_at_once, "KMS API Reference, CreateKey, Tags";
    tags::tagging_adds_and_replaces, "KMS API Reference, TagResource";
    tags::tag_keys_are_case_sensitive, "KMS API Reference, TagResource";
    tags::a_tag_value_may_be_empty, "KMS API Reference, CreateKey, Tags";
    tags::untagging_removes_what_is_there_and_ignores_what_is_not, "KMS API Reference, UntagResource";
    tags::tag_keys_of_aws_are_refused, "KMS API Reference, TagResource, TagException";
    tags::a_tag_key_twice_in_one_request_is_refused, "KMS API Reference, TagResource, Tags";
    tags::a_key_takes_fifty_tags, "KMS Developer Guide, Tags in AWS KMS", needs "keys without a tag of the suite";
    tags::fifty_one_tags_at_once_are_refused, "KMS Developer Guide, Tags in AWS KMS";
    tags::a_fifty_first_tag_is_refused, "KMS Developer Guide, Tags in AWS KMS", needs "keys without a tag of the suite",
        localstack: "TagResource was accepted";
    tags::a_tag_key_of_129_characters_is_refused, "KMS API Reference, Tag, TagKey";
    tags::a_tag_value_of_257_characters_is_refused, "KMS API Reference, Tag, TagValue";
    tags::a_disabled_key_can_be_tagged, "KMS Developer Guide, Key states of AWS KMS keys";
    tags::a_pending_key_cannot_be_tagged, "KMS Developer Guide, Key states of AWS KMS keys";
    tags::a_pending_key_cannot_be_untagged, "KMS Developer Guide, Key states of AWS KMS keys";
    tags::a_key_cannot_be_tagged_by_an_alias, "KMS API Reference, TagResource, KeyId",
        localstack: "TagResource was accepted";
    description::a_description_can_be_changed, "KMS API Reference, UpdateKeyDescription";
    description::a_description_of_8192_characters_is_accepted, "KMS API Reference, UpdateKeyDescription, Description";
    description::a_description_of_8193_characters_is_refused, "KMS API Reference, UpdateKeyDescription, Description",
        localstack: "UpdateKeyDescription was accepted";
    description::a_new_key_cannot_have_a_description_of_8193_characters, "KMS API Reference, CreateKey, Description",
        localstack: "CreateKey was accepted";
    description::a_disabled_key_can_be_described_anew, "KMS Developer Guide, Key states of AWS KMS keys";
    description::the_description_of_a_pending_key_cannot_be_changed, "KMS Developer Guide, Key states of AWS KMS keys";
    description::a_description_cannot_be_changed_by_an_alias, "KMS API Reference, UpdateKeyDescription, KeyId",
        localstack: "UpdateKeyDescription was accepted";
    aliases::an_alias_stands_for_its_key, "KMS API Reference, DescribeKey, KeyId";
    aliases::the_aliases_of_a_key_are_listed, "KMS API Reference, ListAliases, KeyId";
    aliases::a_listed_alias_names_its_arn_and_its_key, "KMS API Reference, AliasListEntry";
    aliases::a_listed_alias_says_when_it_was_last_moved, "KMS API Reference, AliasListEntry, LastUpdatedDate",
        localstack: "it does not hold that an alias has a date of last update";
    aliases::an_alias_is_unique_in_its_region, "KMS API Reference, CreateAlias";
    aliases::creating_an_alias_that_the_key_has_is_refused_too, "KMS API Reference, CreateAlias, AlreadyExistsException";
    aliases::an_alias_of_another_region_does_not_count, "KMS API Reference, CreateAlias";
    aliases::aliases_of_aws_cannot_be_created, "KMS API Reference, CreateAlias, AliasName",
        localstack: "CreateAlias was accepted";
    aliases::an_alias_needs_its_prefix, "KMS API Reference, CreateAlias, AliasName";
    aliases::an_alias_with_a_blank_is_refused, "KMS API Reference, CreateAlias, AliasName",
        localstack: "CreateAlias was accepted";
    aliases::an_alias_of_257_characters_is_refused, "KMS API Reference, CreateAlias, AliasName",
        localstack: "CreateAlias was accepted";
    aliases::a_disabled_key_can_get_an_alias, "KMS Developer Guide, Key states of AWS KMS keys";
    aliases::a_pending_key_cannot_get_an_alias, "KMS Developer Guide, Key states of AWS KMS keys";
    aliases::an_alias_needs_a_key_that_exists, "KMS API Reference, CreateAlias, TargetKeyId";
    aliases::a_key_takes_fifty_aliases, "KMS Developer Guide, Resource quotas, Aliases per KMS key",
        localstack: "CreateAlias was accepted";
    aliases::an_alias_can_be_moved, "KMS API Reference, UpdateAlias";
    aliases::an_alias_that_does_not_exist_cannot_be_moved, "KMS API Reference, UpdateAlias, NotFoundException";
    aliases::an_alias_cannot_be_moved_to_a_pending_key, "KMS Developer Guide, Key states of AWS KMS keys";
    aliases::an_alias_can_be_moved_from_a_pending_key, "KMS Developer Guide, Key states of AWS KMS keys";
    aliases::an_alias_cannot_be_moved_to_a_key_of_another_kind, "KMS API Reference, UpdateAlias",
        localstack: "UpdateAlias was accepted";
    aliases::a_deleted_alias_stands_for_nothing, "KMS API Reference, DeleteAlias";
    aliases::an_alias_cannot_be_deleted_twice, "KMS API Reference, DeleteAlias, NotFoundException";
    aliases::an_alias_of_a_pending_key_can_be_deleted, "KMS Developer Guide, Key states of AWS KMS keys";
    identifiers::a_key_is_described_by_id_and_by_arn, "KMS API Reference, DescribeKey, KeyId";
    identifiers::an_unknown_id_is_not_found_by_any_operation, "KMS API Reference, NotFoundException of each operation";
    identifiers::an_unknown_arn_is_not_found, "KMS API Reference, DescribeKey, NotFoundException";
    identifiers::an_unknown_alias_is_not_found, "KMS API Reference, DescribeKey, NotFoundException";
    identifiers::a_name_that_is_no_id_is_not_found, "KMS API Reference, DescribeKey, KeyId";
    identifiers::an_empty_key_id_is_refused, "KMS API Reference, DescribeKey, KeyId",
        localstack: "DescribeKey was refused with NotFoundException";
    identifiers::an_arn_of_something_else_is_no_key_arn, "KMS API Reference, DescribeKey, InvalidArnException",
        localstack: "DescribeKey was refused with InternalError";
    identifiers::a_key_is_not_found_in_another_region, "KMS API Reference, DescribeKey, NotFoundException";
    identifiers::an_arn_of_another_region_is_not_found, "KMS API Reference, DescribeKey, NotFoundException";
    identifiers::an_id_of_another_account_is_not_found, "KMS API Reference, DescribeKey, Cross-account use", needs "two accounts";
    identifiers::a_key_of_another_account_cannot_be_described, "KMS Developer Guide, Default key policy", needs "two accounts",
        localstack: "DescribeKey was accepted";
    identifiers::a_key_of_another_account_cannot_be_changed, "KMS API Reference, ScheduleKeyDeletion, Cross-account use", needs "two accounts";
    identifiers::the_tags_of_a_key_are_not_listed_by_an_alias, "KMS API Reference, ListResourceTags, KeyId",
        localstack: "ListResourceTags was accepted";
    pages::keys_are_listed_page_by_page, "KMS API Reference, ListKeys, Marker", needs "an account without other keys";
    pages::a_page_of_keys_has_a_hundred_at_most_by_default, "KMS API Reference, ListKeys, Limit", needs "an account without other keys";
    pages::more_than_a_thousand_keys_a_page_are_refused, "KMS API Reference, ListKeys, Limit",
        localstack: "ListKeys was accepted";
    pages::a_page_of_no_keys_is_refused, "KMS API Reference, ListKeys, Limit",
        localstack: "ListKeys was accepted";
    pages::a_marker_that_nobody_gave_is_refused, "KMS API Reference, ListKeys, InvalidMarkerException",
        localstack: "ListKeys was accepted";
    pages::aliases_are_listed_page_by_page, "KMS API Reference, ListAliases, Marker";
    pages::a_page_of_aliases_has_fifty_at_most_by_default, "KMS API Reference, ListAliases, Limit",
        localstack: "it does not hold that a page has at most 50 aliases";
    pages::tags_are_listed_page_by_page, "KMS API Reference, ListResourceTags, Marker", needs "keys without a tag of the suite";
    pages::pending_and_disabled_keys_are_listed_too, "KMS API Reference, ListKeys", needs "an account without other keys";
    pages::keys_are_listed_in_their_account_and_region_only, "KMS API Reference, ListKeys", needs "an account without other keys";
    imported::a_key_without_material_waits_for_it, "KMS API Reference, CreateKey, Origin";
    imported::a_key_without_material_cannot_be_enabled, "KMS Developer Guide, Key states of AWS KMS keys",
        localstack: "EnableKey was accepted";
    imported::a_key_without_material_cannot_be_disabled, "KMS Developer Guide, Key states of AWS KMS keys",
        localstack: "DisableKey was accepted";
    imported::a_key_without_material_cannot_encrypt, "KMS Developer Guide, Key states of AWS KMS keys";
    imported::a_key_without_material_can_be_named_and_tagged, "KMS Developer Guide, Key states of AWS KMS keys";
    imported::a_key_without_material_can_be_scheduled, "KMS Developer Guide, Key states of AWS KMS keys";
    imported::cancelling_is_refused_for_a_key_without_material, "KMS Developer Guide, Key states of AWS KMS keys",
        localstack: "CancelKeyDeletion was accepted";
    imported::imported_material_enables_its_key, "KMS API Reference, ImportKeyMaterial";
    imported::a_key_whose_material_was_deleted_waits_for_it, "KMS API Reference, DeleteImportedKeyMaterial";
    imported::what_imported_material_encrypted_it_decrypts_after_another_import, "KMS API Reference, ImportKeyMaterial";
    imported::other_material_cannot_replace_what_was_deleted, "KMS API Reference, ImportKeyMaterial, IncorrectKeyMaterialException",
        localstack: "ImportKeyMaterial was accepted";
    imported::material_that_expires_needs_a_date, "KMS API Reference, ImportKeyMaterial, ValidTo";
    imported::an_import_token_that_nobody_gave_is_refused, "KMS API Reference, ImportKeyMaterial, InvalidImportTokenException",
        localstack: "ImportKeyMaterial was refused with NotFoundException";
    imported::the_parameters_of_an_import_are_valid_for_a_day, "KMS API Reference, GetParametersForImport",
        localstack: "seconds from now; documented: 1 days";
    imported::a_key_with_material_of_kms_takes_no_other, "KMS API Reference, GetParametersForImport, UnsupportedOperationException";
    replicas::a_replica_has_the_id_of_its_primary, "KMS API Reference, ReplicateKey";
    replicas::a_primary_lists_its_replicas, "KMS API Reference, DescribeKey, MultiRegionConfiguration";
    replicas::a_region_takes_one_replica, "KMS API Reference, ReplicateKey, AlreadyExistsException";
    replicas::a_pending_replica_still_takes_its_region, "KMS API Reference, ReplicateKey";
    replicas::a_single_region_key_cannot_be_replicated, "KMS API Reference, ReplicateKey, KeyId";
    replicas::a_replica_cannot_be_replicated, "KMS API Reference, ReplicateKey, KeyId";
    replicas::a_disabled_primary_cannot_be_replicated, "KMS Developer Guide, Key states of AWS KMS keys";
    replicas::a_pending_primary_cannot_be_replicated, "KMS Developer Guide, Key states of AWS KMS keys";
    replicas::a_replica_is_enabled_and_disabled_by_itself, "KMS API Reference, ReplicateKey";
    replicas::a_replica_has_tags_and_aliases_of_its_own, "KMS API Reference, ReplicateKey";
    replicas::a_replica_can_be_scheduled_by_itself, "KMS Developer Guide, Deleting multi-Region keys";
    replicas::a_primary_with_a_replica_waits_for_it_to_be_deleted, "KMS API Reference, KeyMetadata, PendingDeletionWindowInDays",
        localstack: "KeyState is Some(PendingDeletion)";
    replicas::scheduling_the_replica_does_not_start_the_window_of_the_primary, "KMS Developer Guide, Deleting multi-Region keys",
        localstack: "KeyState of the primary is PendingDeletion";
    replicas::a_waiting_primary_cannot_be_scheduled_again, "KMS Developer Guide, Key states of AWS KMS keys";
    replicas::a_waiting_primary_takes_no_changes, "KMS Developer Guide, Key states of AWS KMS keys";
    replicas::a_waiting_primary_does_not_encrypt, "KMS Developer Guide, Key states of AWS KMS keys";
    replicas::a_replica_of_a_waiting_primary_still_works, "KMS Developer Guide, Deleting multi-Region keys";
    replicas::what_a_primary_encrypts_its_replica_decrypts, "KMS Developer Guide, Multi-Region keys in AWS KMS";
    replicas::the_deletion_of_a_waiting_primary_can_be_cancelled, "KMS Developer Guide, Key states of AWS KMS keys";
    replicas::a_replica_rotates_as_its_primary_does, "KMS Developer Guide, Rotate AWS KMS keys, multi-Region keys",
        localstack: "KeyRotationEnabled of the replica is false";
    replicas::rotation_cannot_be_set_on_a_replica, "KMS API Reference, EnableKeyRotation",
        localstack: "EnableKeyRotation was accepted";
    replicas::a_multi_region_key_without_replicas_is_scheduled_as_any_other, "KMS Developer Guide, Deleting multi-Region keys";
    replicas::the_primary_moves_to_the_region_of_its_replica, "KMS API Reference, UpdatePrimaryRegion",
        localstack: "UpdatePrimaryRegion was refused with InternalFailure";
    replicas::an_old_primary_is_scheduled_as_any_replica, "KMS API Reference, UpdatePrimaryRegion",
        localstack: "UpdatePrimaryRegion was refused with InternalFailure";
    replicas::a_disabled_primary_does_not_move, "KMS Developer Guide, Key states of AWS KMS keys",
        localstack: "UpdatePrimaryRegion was refused with InternalFailure";
    replicas::a_primary_does_not_move_from_a_replica, "KMS API Reference, UpdatePrimaryRegion, KeyId",
        localstack: "UpdatePrimaryRegion was refused with InternalFailure";
    replicas::a_primary_does_not_move_to_a_region_without_a_replica, "KMS API Reference, UpdatePrimaryRegion, PrimaryRegion",
        localstack: "UpdatePrimaryRegion was refused with InternalFailure";
    cryptography::what_a_key_encrypts_it_decrypts, "KMS API Reference, Decrypt";
    cryptography::an_alias_can_encrypt, "KMS API Reference, Encrypt, KeyId";
    cryptography::another_encryption_context_does_not_decrypt, "KMS API Reference, Decrypt, EncryptionContext";
    cryptography::a_disabled_key_does_not_encrypt, "KMS Developer Guide, Key states of AWS KMS keys";
    cryptography::a_disabled_key_does_not_decrypt, "KMS Developer Guide, Key states of AWS KMS keys";
    cryptography::a_pending_key_does_not_encrypt, "KMS Developer Guide, Key states of AWS KMS keys";
    cryptography::a_pending_key_does_not_decrypt, "KMS Developer Guide, Key states of AWS KMS keys";
    cryptography::a_rescued_key_decrypts_what_it_encrypted, "KMS API Reference, CancelKeyDeletion";
    cryptography::a_key_never_used_has_no_last_use, "KMS API Reference, GetKeyLastUsage, KeyLastUsage",
        localstack: "GetKeyLastUsage was refused with InternalError";
    data_keys::a_data_key_can_be_decrypted, "KMS API Reference, GenerateDataKey";
    data_keys::a_data_key_has_the_length_that_was_asked_for, "KMS API Reference, GenerateDataKey, NumberOfBytes",
        localstack: "the length of the key is 32";
    data_keys::a_data_key_without_its_plaintext_can_be_decrypted, "KMS API Reference, GenerateDataKeyWithoutPlaintext";
    data_keys::a_data_key_needs_a_length, "KMS API Reference, GenerateDataKey, NumberOfBytes",
        localstack: "GenerateDataKey was accepted";
    data_keys::a_data_key_is_bound_to_its_encryption_context, "KMS API Reference, GenerateDataKey, EncryptionContext";
    data_keys::a_disabled_key_makes_no_data_keys, "KMS Developer Guide, Key states of AWS KMS keys";
    data_keys::the_private_key_of_a_pair_can_be_decrypted, "KMS API Reference, GenerateDataKeyPair";
    data_keys::a_pair_that_is_only_tried_is_not_made, "KMS API Reference, GenerateDataKeyPair, DryRun";
    data_keys::what_is_encrypted_again_is_decrypted_by_the_other_key, "KMS API Reference, ReEncrypt";
    data_keys::nothing_is_encrypted_again_under_a_disabled_key, "KMS Developer Guide, Key states of AWS KMS keys";
    data_keys::random_bytes_have_the_length_that_was_asked_for, "KMS API Reference, GenerateRandom, NumberOfBytes";
    data_keys::random_bytes_need_a_length, "KMS API Reference, GenerateRandom, NumberOfBytes";
    signatures::what_a_key_signs_it_verifies, "KMS API Reference, Verify";
    signatures::the_signature_of_another_message_is_refused, "KMS API Reference, Verify, KMSInvalidSignatureException";
    signatures::a_digest_of_a_wrong_length_is_not_signed, "KMS API Reference, Sign, MessageType";
    signatures::an_encryption_key_does_not_sign, "KMS API Reference, Sign, InvalidKeyUsageException";
    signatures::a_key_does_not_sign_with_the_algorithm_of_another_kind, "KMS API Reference, Sign, InvalidKeyUsageException",
        localstack: "Sign was accepted";
    signatures::a_disabled_key_does_not_sign, "KMS Developer Guide, Key states of AWS KMS keys";
    signatures::a_signing_key_tells_its_public_key, "KMS API Reference, GetPublicKey";
    signatures::a_disabled_key_does_not_tell_its_public_key, "KMS Developer Guide, Key states of AWS KMS keys",
        localstack: "GetPublicKey was accepted";
    signatures::a_symmetric_key_has_no_public_key, "KMS API Reference, GetPublicKey, UnsupportedOperationException",
        localstack: "GetPublicKey was accepted";
    signatures::a_code_shows_its_message, "KMS API Reference, VerifyMac, KMSInvalidMacException";
    signatures::two_keys_derive_the_same_secret, "KMS API Reference, DeriveSharedSecret";
    signatures::the_last_use_of_a_key_is_told, "KMS API Reference, GetKeyLastUsage, Operation",
        localstack: "GetKeyLastUsage was refused with InternalError";
    grants::a_grant_is_listed_with_what_it_permits, "KMS API Reference, ListGrants";
    grants::a_name_makes_the_same_request_one_grant, "KMS API Reference, CreateGrant, Name";
    grants::each_request_has_a_grant_token_of_its_own, "KMS API Reference, CreateGrant, Name",
        localstack: "it does not hold that the tokens differ";
    grants::the_same_name_with_other_operations_is_another_grant, "KMS API Reference, CreateGrant, Name",
        localstack: "it does not hold that another request makes another grant";
    grants::without_a_name_the_same_request_makes_two_grants, "KMS API Reference, CreateGrant, Name";
    grants::a_grant_cannot_permit_what_its_key_cannot_do, "KMS API Reference, CreateGrant, Operations",
        localstack: "CreateGrant was accepted";
    grants::a_grant_needs_a_grantee, "KMS API Reference, CreateGrant, GranteePrincipal",
        localstack: "CreateGrant was accepted";
    grants::a_grantee_that_is_no_principal_is_refused, "KMS API Reference, CreateGrant, GranteePrincipal",
        localstack: "CreateGrant was accepted";
    grants::a_grant_is_listed_with_its_encryption_context, "KMS API Reference, ListGrants";
    grants::the_same_name_and_encryption_context_is_one_grant, "KMS API Reference, CreateGrant, Name";
    grants::the_same_name_with_another_encryption_context_is_another_grant, "KMS API Reference, CreateGrant, Name",
        localstack: "it does not hold that another request makes another grant";
    grants::a_grant_counts_for_its_encryption_context, "KMS API Reference, CreateGrant, Constraints", needs "two accounts";
    grants::a_grant_does_not_count_for_another_encryption_context, "KMS API Reference, CreateGrant, Constraints", needs "two accounts",
        localstack: "Decrypt is Ok(())";
    grants::an_hmac_key_takes_no_encryption_context_constraint, "KMS API Reference, CreateGrant, Constraints",
        localstack: "CreateGrant was refused with ValidationError";
    grants::a_disabled_key_takes_no_grant, "KMS Developer Guide, Key states of AWS KMS keys";
    grants::a_pending_key_takes_no_grant, "KMS Developer Guide, Key states of AWS KMS keys";
    grants::a_grant_that_is_only_tried_is_not_made, "KMS API Reference, CreateGrant, DryRun",
        localstack: "CreateGrant was accepted";
    grants::a_revoked_grant_is_gone, "KMS API Reference, RevokeGrant";
    grants::a_grant_of_a_pending_key_is_listed_and_revoked, "KMS Developer Guide, Key states of AWS KMS keys";
    grants::a_grant_is_retired_by_its_token, "KMS API Reference, RetireGrant, GrantToken";
    grants::a_grant_is_retired_by_its_key_and_its_id, "KMS API Reference, RetireGrant, GrantId";
    grants::grants_are_listed_by_who_may_retire_them, "KMS API Reference, ListRetirableGrants", needs "an account without other keys";
    grants::grants_are_listed_page_by_page, "KMS API Reference, ListGrants, Marker";
    grants::more_than_a_hundred_grants_a_page_are_refused, "KMS API Reference, ListGrants, Limit",
        localstack: "ListGrants was accepted";
    grants::a_key_has_the_default_policy, "KMS API Reference, ListKeyPolicies";
    identity::a_caller_learns_its_account, "STS API Reference, GetCallerIdentity";
    identity::a_role_session_belongs_to_the_account_of_the_role, "STS API Reference, AssumeRole", needs "two accounts";
    identity::a_role_session_works_on_the_keys_of_the_account_of_the_role, "STS API Reference, AssumeRole", needs "two accounts";
    identity::a_role_session_shorter_than_fifteen_minutes_is_refused, "STS API Reference, AssumeRole, DurationSeconds", needs "two accounts",
        localstack: "AssumeRole was accepted";
    identity::an_unknown_access_key_is_refused, "KMS API Reference, Common Errors",
        localstack: "ListKeys was accepted";
    identity::a_wrong_secret_is_refused, "KMS API Reference, Common Errors",
        localstack: "ListKeys was accepted";
    identity::a_session_without_its_token_is_refused, "IAM User Guide, Temporary security credentials in IAM", needs "two accounts",
        localstack: "ListKeys was accepted";
}

fn named(name: &str) -> &'static Case {
    CASES.iter().find(|case| case.name == name).expect("the macro made the case and its test")
}

/// Each case needs a source.
#[test]
fn every_case_rests_on_a_document() {
    const DOCUMENTS: [&str; 4] = ["KMS API Reference, ", "KMS Developer Guide, ", "STS API Reference, ", "IAM User Guide, "];
    for case in CASES {
        let rests = DOCUMENTS.iter().any(|document| case.source.starts_with(document));
        assert!(rests, "{} rests on {:?}, which is no document", case.name, case.source);
    }
}
