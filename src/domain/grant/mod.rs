//! Grants: what a `KeyGrant` declares, which grants at the KMS are its own, and what is done next.
//!
//! A KMS has no update of a grant. So a changed spec makes the new grant first and revokes the old one after that. A grant belongs to an
//! object by its **name**, which has the cluster, the object's UID and a digest of the spec. A grant without such a name is somebody else's
//! and is never touched. With the name, `CreateGrant` of AWS is idempotent: the same request again answers the same grant. At
//! Huawei the name only shows that the grant is there already.
//!
//! [`plan`] decides for an object that lives, [`release`] for one that is being deleted, [`allowed`] what the provider permits, and [`sentences`] has what else is said. Revoking a
//! grant makes no data unreadable, so the guard of deletions is not asked. It takes access away, so only grants with a name of this object
//! are revoked.

pub mod allowed;
pub mod event;
pub mod plan;
pub mod release;
pub mod sentences;
pub mod status;
pub mod target;
pub mod terms;

pub use terms::{ACCOUNT, GRANTS, Names, Terms};

/// A grant as the KMS lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its id.
    pub id: String,
    /// Its name, which whoever made it has chosen.
    pub name: String,
    /// What it permits, and to whom.
    pub terms: Terms,
}

/// A grant to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewGrant {
    /// Its name.
    pub name: String,
    /// What it permits, and to whom.
    pub terms: Terms,
}
