//! Bytes that many keep, and that are in memory once: in a farm, each printer's plugins go by the same files.

use std::sync::{Arc, Mutex, PoisonError, Weak};

static KEPT: Mutex<Vec<Weak<[u8]>>> = Mutex::new(Vec::new());

/// Those bytes, as somebody keeps them already, or as they are kept from now on.
pub fn kept_once(bytes: &[u8]) -> Arc<[u8]> {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    kept.retain(|kept| kept.strong_count() > 0);
    if let Some(same) = kept.iter().filter_map(Weak::upgrade).find(|kept| **kept == *bytes) {
        return same;
    }
    let new: Arc<[u8]> = bytes.into();
    kept.push(Arc::downgrade(&new));
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_are_there_once_and_as_long_as_somebody_keeps_them() {
        let (one, other) = (kept_once(b"kept_once: one"), kept_once(b"kept_once: other"));
        assert!(Arc::ptr_eq(&one, &kept_once(b"kept_once: one")));
        assert_eq!((&*one, &*other), (&b"kept_once: one"[..], &b"kept_once: other"[..]));
        let gone = Arc::downgrade(&one);
        drop(one);
        assert!(gone.upgrade().is_none());
        assert_eq!(&*kept_once(b"kept_once: one"), b"kept_once: one");
    }
}
