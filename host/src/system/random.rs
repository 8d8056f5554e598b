//! Random bytes from the operating system, fit for secrets. There is no generator of our own, and no seed.

use anyhow::{Result, anyhow};

/// Random bytes.
///
/// # Errors
/// When the system has none.
pub fn random_bytes() -> Result<[u8; 16]> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| anyhow!("the system has no random bytes: {error}"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::random_bytes;

    #[test]
    fn differ_each_time() {
        let (one, other) = (random_bytes().unwrap(), random_bytes().unwrap());
        assert_ne!(one, [0; 16]);
        assert_ne!(one, other);
    }
}
