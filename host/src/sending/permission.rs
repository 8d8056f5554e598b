//! The one function that decides whether a report may leave. It reads the files each time it is asked, and keeps no
//! yes: what it keeps is what parsing some bytes came to, and it uses that only for the same bytes.

use super::Sending;
use crate::attest::{self, Vouching};
use crate::home::Home;
use crate::home::config::audit_policy::AuditPolicy;
use crate::home::grants::{self, Standing};
use crate::home::settings::Stored;
use anyhow::Result;
use glassbox_describe::free;
use glassbox_sandbox::{Consent, Manifest, Outgoing, Plugin, Policy, Request, Settings, pass};
use glassbox_util::kept_once;
use glassbox_util::text::shown;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Decides for one plugin and one OctoPrint.
#[derive(Debug)]
pub struct Permission {
    home: Home,
    name: String,
    veto: Option<&'static str>,
    parsed: Mutex<Parsed>,
}

/// The version of the plugin that it is about.
#[derive(Clone, Copy, Debug)]
pub struct Component<'a> {
    /// Its SHA-256, in hex. None if it is not known which version it is: then somebody vouches for it.
    pub digest: Option<&'a str>,
    /// What it asks for. None if that is not known, since its file is gone: then it was granted if there is a grant. The
    /// host would have stopped it otherwise.
    pub manifest: Option<&'a Manifest>,
}

impl<'a> Component<'a> {
    /// A version that was loaded.
    pub fn of(plugin: &'a Plugin) -> Self {
        Self { digest: Some(&plugin.digest), manifest: Some(plugin.policy.manifest()) }
    }
}

/// What parsing came to.
#[derive(Debug, Default)]
struct Parsed {
    settings: Last<Arc<Settings>>,
    policy: Last<Option<Arc<AuditPolicy>>>,
    /// The digest of a component, and how its manifest compares with the grant.
    standing: Last<(String, Standing)>,
    /// The digest of a component, and what its manifest leaves free.
    free: Option<(String, Vec<String>)>,
    /// The request that passed the gate last, of which component, and with which settings: the second time that it is
    /// asked for an attempt, all are the same.
    passed: Option<(Outgoing, String, Arc<Settings>)>,
}

/// The result for the bytes that were parsed last.
#[derive(Debug)]
struct Last<T>(Option<(Arc<[u8]>, T)>);

impl<T> Default for Last<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Clone> Last<T> {
    /// The result for these bytes, if they are the same as last time and `fits` says that it is what is asked for.
    fn get(&self, bytes: &[u8], fits: impl Fn(&T) -> bool) -> Option<T> {
        let (last, result) = self.0.as_ref()?;
        (**last == *bytes && fits(result)).then(|| result.clone())
    }

    fn put(&mut self, bytes: &[u8], result: T) -> T {
        self.0 = Some((kept_once(bytes), result.clone()));
        result
    }
}

/// Why a report does not leave that `[policy]` denies with this entry.
fn by_policy(entry: &str) -> String {
    format!("[policy] in glassbox.toml denies '{}'", shown(entry))
}

impl Permission {
    /// For a plugin of the home, which is that of the OctoPrint. `veto` is the variable of the environment that forbids
    /// sending; none if there is none.
    pub fn new(home: &Home, name: &str, veto: Option<&'static str>) -> Self {
        Self { home: home.clone(), name: name.into(), veto, parsed: Mutex::default() }
    }

    /// The rule that decides, by the files as they are now; and the settings, which are empty where they cannot be read.
    pub fn decide(&self, component: &Component<'_>) -> (Sending, Arc<Settings>) {
        let (sending, settings, _) = self.decide_with_policy(component);
        (sending, settings)
    }

    /// The same with `[policy]`, if it is a yes.
    fn decide_with_policy(&self, component: &Component<'_>) -> (Sending, Arc<Settings>, Option<Arc<AuditPolicy>>) {
        let (user, settings) = self.of_user();
        if !user.is_given() {
            return (user, settings, None);
        }
        let operator = self.policy().and_then(|policy| Ok((self.of_operator(component, policy.as_deref())?, policy)));
        match operator {
            Ok((no, policy)) => (no.unwrap_or(user), settings, policy),
            Err(error) => (Sending::Unusable(error), settings, None),
        }
    }

    /// The same as far as the user decides it: by variables and settings.
    pub fn of_user(&self) -> (Sending, Arc<Settings>) {
        let settings = match self.settings() {
            Err(Stored::Damaged(reason)) if self.veto.is_none() => {
                let file = self.home.settings_file(&self.name);
                return (Sending::DamagedSettings { file, reason }, Arc::default());
            }
            settings => settings.unwrap_or_default(),
        };
        (Sending::Decided(Consent::decide(&settings, self.veto)), settings)
    }

    /// The settings, or what there is instead.
    fn settings(&self) -> Result<Arc<Settings>, Stored> {
        let bytes = self.home.settings_bytes(&self.name)?;
        let mut parsed = self.parsed();
        if let Some(settings) = parsed.settings.get(&bytes, |_| true) {
            return Ok(settings);
        }
        match Stored::of(&bytes) {
            Stored::Good(settings) => Ok(parsed.settings.put(&bytes, settings.into())),
            unusable => Err(unusable),
        }
    }

    /// What the user decided; where that is a yes, this.
    pub fn of_user_or(&self, otherwise: Sending) -> Sending {
        let user = self.of_user().0;
        if user.is_given() { otherwise } else { user }
    }

    /// The rule of the operator that says no: `[policy]` or the grant; none if neither does.
    fn of_operator(&self, component: &Component<'_>, policy: Option<&AuditPolicy>) -> Result<Option<Sending>> {
        let vouching = match (policy, component.digest) {
            (Some(policy), Some(digest)) => {
                let free = || self.free(digest, component.manifest);
                attest::standing(&self.home, Some(policy), &self.name, digest, free)
            }
            _ => Vouching::default(),
        };
        if !vouching.is_enough() {
            return Ok(Some(Sending::Unvouched(vouching)));
        }
        let standing = self.standing(component)?;
        Ok((standing != Standing::Granted).then_some(Sending::Ungranted(standing)))
    }

    /// What the version with this digest leaves free. Of one whose manifest is not known, since its file is gone, nothing
    /// is held against it here: the host would have stopped it.
    fn free(&self, digest: &str, manifest: Option<&Manifest>) -> Option<Vec<String>> {
        let Some(manifest) = manifest else { return Some(Vec::new()) };
        let known = self.parsed().free.clone().filter(|(of, _)| of == digest);
        let (_, free) = known.or_else(|| Some((digest.into(), free::all(&Policy::new(manifest.clone()).ok()?))))?;
        self.parsed().free = Some((digest.into(), free.clone()));
        Some(free)
    }

    fn policy(&self) -> Result<Option<Arc<AuditPolicy>>> {
        let bytes = self.home.config_bytes()?;
        let mut parsed = self.parsed();
        if let Some(policy) = parsed.policy.get(&bytes, |_| true) {
            return Ok(policy);
        }
        let policy = self.home.parse_config(&bytes)?.policy.map(Arc::new);
        Ok(parsed.policy.put(&bytes, policy))
    }

    fn standing(&self, component: &Component<'_>) -> Result<Standing> {
        let Some(bytes) = grants::bytes(&self.home, &self.name)? else { return Ok(Standing::Waiting) };
        let mut parsed = self.parsed();
        if let Some((_, standing)) =
            parsed.standing.get(&bytes, |(digest, _)| Some(digest.as_str()) == component.digest)
        {
            return Ok(standing);
        }
        let granted = grants::parse(&self.home, &self.name, &bytes)?;
        let standing = match component.manifest {
            Some(asked) => grants::standing(asked, Some(&granted)),
            None => Standing::Granted,
        };
        Ok(parsed.standing.put(&bytes, (component.digest.unwrap_or_default().into(), standing)).1)
    }

    /// Whether a request that this version of the plugin has queued may still leave, as it is.
    ///
    /// # Errors
    /// Why not, for people. It names settings, and no values.
    pub fn may_leave(&self, request: &Outgoing, plugin: &Plugin) -> Result<(), String> {
        let (sending, settings, policy) = self.decide_with_policy(&Component::of(plugin));
        if !sending.is_given() {
            return Err(sending.sentence(&self.name));
        }
        let fields = request.fields.iter().map(|(name, _)| name.as_str());
        if let Some(entry) = policy.and_then(|policy| policy.denies(&request.name, fields).map(by_policy)) {
            return Err(entry);
        }
        let is_same = |(last, digest, then): &(Outgoing, String, Arc<Settings>)| {
            Arc::ptr_eq(then, &settings) && digest == &plugin.digest && last == request
        };
        if self.parsed().passed.as_ref().is_some_and(is_same) {
            return Ok(());
        }
        let again = Request {
            method: request.method,
            name: request.name.clone(),
            fields: request.fields.clone(),
            user_agent: request.user_agent.clone(),
        };
        match pass(again, &plugin.policy, &settings, Consent::Given, None) {
            Ok((again, _)) if again == *request => {
                self.parsed().passed = Some((again, plugin.digest.clone(), settings));
                Ok(())
            }
            Ok(_) => Err("the settings name another server or id by now".into()),
            Err(blocked) => Err(blocked.reason),
        }
    }

    fn parsed(&self) -> MutexGuard<'_, Parsed> {
        self.parsed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
