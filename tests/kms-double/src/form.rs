//! Forms of answers that the vendors' documents leave open. The double has one of them by default, and takes another when it is asked to, so that
//! clients can be shown to stand both.

use clap::ValueEnum;

/// A form of answers other than the double's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// AWS tells deletion dates at the midnight (UTC) before, as its older examples do; the key dies when its days are over all the same.
    MidnightDates,
    /// AWS lists aliases of its own that point to no key yet, as it does for services that an account has not used.
    IdleAliases,
    /// AWS leaves out of its answers what its model calls optional, but for what tells the state of a key without `KeyState`: `Enabled` and `Origin`.
    AwsSparse,
    /// The same, but the state is told by `KeyState` alone.
    AwsStateOnly,
    /// `CipherTrust` tells `key_state` and `deletion_date` of a key beside `aws_param` and not in it, where Thales's own clients read them.
    CckmTopLevel,
    /// `CipherTrust` leaves out what its clients can do without: what the row says beside the key's name, state, tags, aliases and age.
    CckmSparse,
    /// Huawei Cloud answers with the types of its SDKs where its documents show others: `list-aliases` is a list, and the details of
    /// `filter-resources` are text.
    HuaweiSdkTypes,
    /// Huawei Cloud sends numbers and booleans where its documents show them as text.
    HuaweiNumbers,
    /// Huawei Cloud sends text where its documents show numbers and booleans.
    HuaweiTexts,
    /// Huawei Cloud leaves out what its SDKs call optional, but for what tells whose the key is and in which state.
    HuaweiSparse,
}
