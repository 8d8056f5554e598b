//! A panic in a library, as an error.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// Whether this thread's panics are caught, and so are not printed.
    static CATCHES: Cell<bool> = const { Cell::new(false) };
}

/// What a call returns; where it panics, the words of the panic, and nothing is printed. It is for a library that panics
/// where it should return an error: whatever the call has changed by then must not be used any more.
///
/// # Errors
/// When it panics.
///
/// ```
/// use glassbox_util::caught;
///
/// assert_eq!(caught(|| 1), Ok(1));
/// assert_eq!(caught(|| panic!("refused: {}", 1)), Err::<(), _>("refused: 1".into()));
/// ```
pub fn caught<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |panic| {
            if !CATCHES.try_with(Cell::get).unwrap_or_default() {
                usual(panic);
            }
        }));
    });
    let before = CATCHES.replace(true);
    let returned = catch_unwind(AssertUnwindSafe(call));
    CATCHES.set(before);
    returned.map_err(|words| match (words.downcast_ref::<String>(), words.downcast_ref::<&str>()) {
        (Some(words), _) => words.clone(),
        (None, Some(words)) => (*words).into(),
        (None, None) => "it does not say why".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_caught_with_its_words_and_the_next_one_is_printed_again() {
        assert_eq!(caught(|| 1), Ok(1));
        assert_eq!(caught(|| panic!("plain")), Err::<(), _>("plain".into()));
        let number = 7;
        assert_eq!(caught(|| panic!("formatted {number}")), Err::<(), _>("formatted 7".into()));
        assert_eq!(caught(|| std::panic::panic_any(number)), Err::<(), _>("it does not say why".into()));
        assert_eq!(caught(|| caught(|| panic!("inner")).is_err() && CATCHES.get()), Ok(true));
        assert!(!CATCHES.get());
    }
}
