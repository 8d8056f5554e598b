//! Saying the same thing once.

/// Remembers what was said last.
///
/// ```
/// let mut said = glassbox_util::Once::default();
/// assert!(said.is_new("the disk is full"));
/// assert!(!said.is_new("the disk is full"));
/// said.forget();
/// assert!(said.is_new("the disk is full"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Once(Option<String>);

impl Once {
    /// Whether this was not the last thing that was said. It is now.
    pub fn is_new(&mut self, what: &str) -> bool {
        let is_new = self.0.as_deref() != Some(what);
        if is_new {
            self.0 = Some(what.into());
        }
        is_new
    }

    /// All is well again: whatever comes next is new.
    pub fn forget(&mut self) {
        self.0 = None;
    }

    /// What was said last.
    #[must_use]
    pub fn last(&self) -> Option<&str> {
        self.0.as_deref()
    }
}
