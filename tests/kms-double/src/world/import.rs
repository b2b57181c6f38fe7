//! Imported key material.
//!
//! Only keys of origin `EXTERNAL` have it. The first material, and each that a rotation made current, stay associated with the key for
//! ever: if one of them is deleted or expires, the key waits for its import again. Each Region has imports of its own.

use jiff::Timestamp;

use super::key::Key;
use super::vocabulary::KeyState;

/// One material that was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Import {
    /// The id of the material.
    pub(crate) material: String,
    pub(crate) description: Option<String>,
    /// False after it was deleted or has expired.
    pub(crate) present: bool,
    pub(crate) expires: Option<Timestamp>,
}

impl Key {
    /// The import of a material, present or not.
    pub(crate) fn import(&self, material: &str) -> Option<&Import> {
        self.imports.iter().find(|import| import.material == material)
    }

    /// When the first of the present materials expires.
    pub(crate) fn material_expires(&self) -> Option<Timestamp> {
        self.imports.iter().filter(|import| import.present).filter_map(|import| import.expires).min()
    }

    /// The same for material in use, without the one that waits for a rotation.
    pub(crate) fn valid_to(&self) -> Option<Timestamp> {
        let used = |import: &&Import| import.present && self.pending_material.as_ref() != Some(&import.material);
        self.imports.iter().filter(used).filter_map(|import| import.expires).min()
    }

    /// Adds a material, or replaces its import. `needed` are the materials that the key needs to work.
    pub(crate) fn put_import(&mut self, import: Import, needed: &[String]) {
        let description = self.import(&import.material).and_then(|known| known.description.clone());
        self.imports.retain(|known| known.material != import.material);
        self.imports.push(Import { description: import.description.or(description), ..import });
        let complete = needed.iter().all(|material| self.import(material).is_some_and(|import| import.present));
        if complete && self.state == KeyState::PendingImport {
            self.state = KeyState::Enabled;
            self.state_behind = KeyState::Enabled;
        }
    }

    /// Removes a material. Without one that it needs, the key waits for its import, unless its deletion is pending.
    pub(crate) fn drop_import(&mut self, material: &str, needed: &[String]) {
        if self.pending_material.as_deref() == Some(material) {
            self.pending_material = None;
        }
        if !needed.iter().any(|need| need == material) {
            self.imports.retain(|import| import.material != material);
            return;
        }
        for import in self.imports.iter_mut().filter(|import| import.material == material) {
            import.present = false;
        }
        self.state_behind = KeyState::PendingImport;
        if matches!(self.state, KeyState::Enabled | KeyState::Disabled) {
            self.state = KeyState::PendingImport;
        }
    }

    /// Removes what has expired by now.
    pub(crate) fn expire_imports(&mut self, now: Timestamp, needed: &[String]) {
        let over = |import: &&Import| import.present && import.expires.is_some_and(|expires| expires <= now);
        let expired: Vec<String> = self.imports.iter().filter(over).map(|import| import.material.clone()).collect();
        for material in expired {
            self.drop_import(&material, needed);
        }
    }

    /// The materials that stay associated with the key: the first, and those of its rotations.
    pub(crate) fn associated(&self) -> Vec<String> {
        [self.first_material.clone()].into_iter().chain(self.rotated.iter().map(|rotated| rotated.material.clone())).collect()
    }
}
