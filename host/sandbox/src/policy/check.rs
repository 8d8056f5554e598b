//! The check of a request: against the manifest's rules and the switches, and if it is pinned, against what the host makes
//! itself (`pins.rs`).

use super::{AgentRules, Policy};
use crate::gate::Request;
use crate::pins::Context;
use crate::rules::RequestRules;
use crate::version::Release;
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
        let occasion = context.map(|context| (context, context.memory.release(self)));
        if self.candidates(&request.name).next().is_none() {
            return Err("the manifest does not declare this request".to_string().into());
        }
        let is_it = |(_, rules): &(usize, &RequestRules)| {
            occasion.is_none_or(|(context, release)| context.is_occasion_for(rules, release))
        };
        let mut refused = "this is not the occasion for it".to_string().into();
        for (number, rules) in self.candidates(&request.name).filter(is_it) {
            match self.check_by(rules, request, settings, occasion) {
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
        occasion: Option<(&Context, Release)>,
    ) -> Result<(), Refused> {
        let declared = &rules.declared;
        if request.method != declared.method {
            return Err(format!("its method must be {}", declared.method).into());
        }
        rules.check(&request.fields)?;
        let agent_fits = match (&self.user_agent, occasion) {
            (_, None) => true,
            (AgentRules::Free(pattern), _) => pattern.is_match(&request.user_agent),
            (AgentRules::Pinned(agent), Some((context, _))) => agent.make(context) == request.user_agent,
        };
        if !agent_fits {
            return Err("its user agent does not match the manifest".to_string().into());
        }
        rules.check_switches(request, settings)?;
        if let Some((context, release)) = occasion.filter(|_| declared.is_pinned()) {
            if declared.once.is_some() && !context.memory.due.waits(&declared.request) {
                return Err("it was already reported".to_string().into());
            }
            rules.compare(request, settings, context, release)?;
        }
        Ok(())
    }

    /// Whether a value may be that of a field of a request of this name, for whoever receives requests; none if it has no
    /// such field.
    #[must_use]
    pub fn field_fits(&self, request: &str, field: &str, value: &str) -> Option<bool> {
        let (_, rules) = self.candidates(request).next()?;
        let at = rules.declared.fields.iter().position(|declared| declared.name == field)?;
        Some(rules.fields[at].rule.fits(value))
    }

    /// Whether a `User-Agent` header has the form that the manifest gives it; never, if that is made by a host.
    #[must_use]
    pub fn agent_fits(&self, agent: &str) -> bool {
        matches!(&self.user_agent, AgentRules::Free(pattern) if pattern.is_match(agent))
    }

    fn check_limits(&self, request: &Request) -> Result<(), String> {
        if request.name.len() > limits::NAME || request.user_agent.len() > limits::NAME {
            return Err("its name or user agent is too long".into());
        }
        let plain = |text: &str| text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if !plain(&request.name) || !plain(&request.user_agent) {
            return Err("its name or user agent has characters that are not allowed".into());
        }
        if request.name.bytes().all(|byte| byte == b'.') {
            return Err("its name consists of dots, which a server would take for a step in its path".into());
        }
        if request.fields.len() > limits::FIELDS {
            return Err("it has too many fields".into());
        }
        if request.fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > limits::REQUEST {
            return Err("it is too large".into());
        }
        Ok(())
    }
}
