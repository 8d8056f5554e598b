//! An error for people: what happened, and what to do about it.

use std::error::Error;
use std::fmt;

/// What happened, to which file, and what to do about it. Both are kept apart, so that each display can lay them out in
/// its own way; as text they are joined by `; `.
///
/// ```
/// use glassbox_util::Advised;
///
/// let error = Advised::new("/etc/key can be read by others", "run 'chmod 600 /etc/key'");
/// assert_eq!(error.to_string(), "/etc/key can be read by others; run 'chmod 600 /etc/key'");
///
/// let error = anyhow::Error::from(error).context("reading the API key");
/// let (what, advice) = Advised::split(&error);
/// assert_eq!(what, "reading the API key: /etc/key can be read by others");
/// assert_eq!(advice.as_deref(), Some("run 'chmod 600 /etc/key'"));
/// ```
#[derive(Debug)]
pub struct Advised {
    /// What happened, and to what; one line, without a full stop at the end.
    pub what: String,
    /// What to do about it, as an instruction; none if nothing can be done.
    pub advice: Option<String>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Advised {
    /// An error for what happened and what to do about it.
    pub fn new(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what: what.into(), advice: Some(advice.into()), source: None }
    }

    /// The same error with its source, whose text should not be repeated in `what`.
    pub fn because(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..self }
    }

    /// Take an error apart: what happened, from the outermost context to the innermost cause, joined by `: `; and the
    /// first advice in that chain, if there is any.
    pub fn split(error: &anyhow::Error) -> (String, Option<String>) {
        // One that was added as a context is hidden in its place in the chain, and found only this way.
        let context = error.downcast_ref::<Self>();
        let mut advice = None;
        let causes = error.chain().map(|cause| {
            let text = cause.to_string();
            let advised = cause.downcast_ref::<Self>();
            match advised.or_else(|| context.filter(|context| context.to_string() == text)) {
                Some(advised) => {
                    advice = advice.take().or_else(|| advised.advice.clone());
                    advised.what.clone()
                }
                None => text,
            }
        });
        let what = causes.collect::<Vec<_>>().join(": ");
        (what, advice)
    }
}

impl fmt::Display for Advised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match &self.advice {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

impl Error for Advised {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_found_wherever_it_is() {
        let advised = || Advised::new("what", "do it");
        let cause = || anyhow::anyhow!("cause");
        for (error, what) in [
            (advised().into(), "what"),
            (anyhow::Error::from(advised()).context("outside"), "outside: what"),
            (cause().context(advised()), "what: cause"),
            (cause().context(advised()).context("outside"), "outside: what: cause"),
            (advised().because(cause()).into(), "what: cause"),
        ] {
            assert_eq!(Advised::split(&error), (what.into(), Some("do it".into())), "{error:#}");
        }
        assert_eq!(Advised::split(&cause()), ("cause".into(), None));
    }
}
