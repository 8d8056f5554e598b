//! Not saying the same thing again and again: for conditions that last and are noticed often.

/// Remembers the last message, so that a repetition of it can be left out.
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
    /// Whether this differs from the last message; it is the last message from now on.
    pub fn is_new(&mut self, what: &str) -> bool {
        let is_new = self.0.as_deref() != Some(what);
        if is_new {
            self.0 = Some(what.into());
        }
        is_new
    }

    /// Forget the last message, because the condition is over: the next message is new, whatever it is.
    pub fn forget(&mut self) {
        self.0 = None;
    }

    /// The last message; none if there was none, or it was forgotten.
    pub fn last(&self) -> Option<&str> {
        self.0.as_deref()
    }
}
