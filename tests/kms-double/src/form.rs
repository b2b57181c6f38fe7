//! Forms of answers that the vendors' documents allow. The double uses one of them by default, and another on request, to test that clients
//! accept both.

use clap::ValueEnum;

/// A form of answers other than the double's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// AWS reports deletion dates as the midnight (UTC) before, as in its older examples. The key is still deleted when its days are over.
    MidnightDates,
    /// AWS lists its own aliases that have no key yet, as it does for services that an account has not used.
    IdleAliases,
    /// AWS leaves out members that its model calls optional, except those that show the state of a key without `KeyState`: `Enabled` and
    /// `Origin`.
    AwsSparse,
    /// The same, but only `KeyState` shows the state.
    AwsStateOnly,
    /// `CipherTrust` has `key_state` and `deletion_date` of a key next to `aws_param` and not in it, where Thales's own clients read them.
    CckmTopLevel,
    /// `CipherTrust` leaves out everything except the key's name, state, tags, aliases and age.
    CckmSparse,
    /// Huawei Cloud answers with the types of its SDKs if its documents show others: `list-aliases` is a list, and the details of
    /// `filter-resources` are text.
    HuaweiSdkTypes,
    /// Huawei Cloud sends numbers and booleans where its documents show them as text.
    HuaweiNumbers,
    /// Huawei Cloud sends text where its documents show numbers and booleans.
    HuaweiTexts,
    /// Huawei Cloud leaves out members that its SDKs call optional, except those that show the owner and the state of the key.
    HuaweiSparse,
}
