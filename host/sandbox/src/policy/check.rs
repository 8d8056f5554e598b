//! The check of a request: against the manifest's rules and the switches, and if it is pinned, against what the host makes
//! itself (`pins.rs`).

use super::Policy;
use crate::gate::{Request, first_wrong};
use crate::pins::{Context, Occasion};
use crate::rules::RequestRules;
use crate::{Settings, limits};

/// Why a request may not be sent.
#[derive(Debug)]
pub(crate) struct Refused {
    /// In words for [`crate::Blocked`]. Values are not quoted: they may be just what must not leave the machine.
    pub(crate) reason: String,
    /// Whether the manifest forbids it, and not a switch.
    pub(crate) undeclared: bool,
}

impl From<String> for Refused {
    fn from(reason: String) -> Self {
        Self { reason, undeclared: true }
    }
}

impl Policy {
    /// Check a request against the manifest's rules and the switches, and on its occasion, which is the `context`, against
    /// what the host makes itself. The number of the rules that it goes by.
    ///
    /// # Errors
    /// Why it may not be sent.
    pub(crate) fn check(
        &self,
        request: &Request,
        settings: &Settings,
        context: Option<&Context>,
    ) -> Result<usize, Refused> {
        self.check_limits(request)?;
        let occasion = context.map(|context| Occasion { context, settings, release: context.memory.release(self) });
        let candidates: Vec<_> = self.candidates(&request.name).collect();
        if candidates.is_empty() {
            return Err("the manifest does not declare this request".to_string().into());
        }
        let is_it = |(_, rules): &(usize, &RequestRules)| {
            occasion.as_ref().is_none_or(|occasion| occasion.is_for(&rules.declared))
        };
        let mut refused = "this is not the occasion for it".to_string().into();
        for (number, rules) in candidates.into_iter().filter(is_it) {
            match self.check_by(rules, request, settings, occasion.as_ref()) {
                Ok(()) => return Ok(number),
                Err(reason) => refused = reason,
            }
        }
        Err(refused)
    }

    fn check_by(
        &self,
        rules: &RequestRules,
        request: &Request,
        settings: &Settings,
        occasion: Option<&Occasion>,
    ) -> Result<(), Refused> {
        let declared = &rules.declared;
        if request.method != declared.method {
            return Err(format!("its method must be {}", declared.method).into());
        }
        rules.check(&request.fields)?;
        if occasion.is_some_and(|occasion| !self.user_agent.fits(&request.user_agent, occasion.context)) {
            return Err("its user agent does not match the manifest".to_string().into());
        }
        rules.check_switches(request, settings)?;
        if let Some(occasion) = occasion.filter(|_| declared.is_pinned()) {
            if declared.once.is_some() && !occasion.context.memory.due.waits(&declared.request) {
                return Err("it was already reported".to_string().into());
            }
            rules.compare(request, occasion)?;
        }
        Ok(())
    }

    /// Whether a value may be that of a field of a request of this name, for whoever receives requests; none if it has no
    /// such field.
    pub fn field_fits(&self, request: &str, field: &str, value: &str) -> Option<bool> {
        let (_, rules) = self.candidates(request).next()?;
        let at = rules.declared.fields.iter().position(|declared| declared.name == field)?;
        Some(rules.fields[at].fits(value))
    }

    fn check_limits(&self, request: &Request) -> Result<(), String> {
        let Request { name, fields, user_agent, .. } = request;
        let plain = |text: &str| text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        let size: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
        first_wrong(&[
            (name.len().max(user_agent.len()) > limits::NAME, "its name or user agent is too long"),
            (!plain(name) || !plain(user_agent), "its name or user agent has characters that are not allowed"),
            (
                name.bytes().all(|byte| byte == b'.'),
                "its name consists of dots, which a server would take for a step in its path",
            ),
            (fields.len() > limits::FIELDS, "it has too many fields"),
            (size > limits::REQUEST, "it is too large"),
        ])
        .map_err(Into::into)
    }
}
