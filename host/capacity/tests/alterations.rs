//! In random worlds, the one request that is honest passes the gate, and none that is altered does.
#![allow(missing_docs)]

mod model;

use glassbox_sandbox::capabilities::Machine;
use glassbox_sandbox::{Cause, Consent, Context, Manifest, Memory, Method, Policy, Request, Settings, pass};
use model::{NOW, World};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

const TRACKER: &str = include_str!("../../../guest/tracker.toml");

/// Numbers that look random, and are the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let sides = u64::try_from(sides).unwrap();
        usize::try_from((self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % sides).unwrap()
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.roll(of.len())]
    }
}

/// Something that OctoPrint might say in this field, or might not.
fn value(name: &str, dice: &mut Dice) -> Value {
    let likely = match name.rsplit('.').next().unwrap() {
        "origin" => vec![json!("local"), json!("sdcard"), json!("printer")],
        "version" => vec![json!("1.11.8"), json!("1.12.0"), json!("2.0.0rc1"), json!("x y")],
        "time" | "uptime" => vec![json!(12), json!(3601.5), json!(0), json!(-4)],
        "port" => vec![json!("/dev/ttyUSB0"), json!("socket://anna.local"), json!("AUTO")],
        "raw_value" => vec![json!(327_680), json!(0), json!(1), json!(99_999_999_999_u64)],
        "third_party_plugins" => vec![json!([{"key": "A", "version": "1"}, {"key": "b"}]), json!([])],
        "achievements" => vec![json!(["one", "two"]), json!([])],
        "baudrate" | "cores" | "bits" | "ram" => vec![json!(4), json!(115_200), json!("unknown"), json!(64)],
        "freq" => vec![json!(1400.5), json!("unknown")],
        flag if flag.starts_with("current_") || flag.starts_with("past_") => vec![json!(true), json!(false)],
        _ => vec![json!("serial"), json!("bltouch"), json!("OPERATIONAL"), json!("a/b c.gcode"), json!("Übung")],
    };
    let odd = [json!(null), json!(true), json!(7), json!("x".repeat(300)), json!(["list"]), json!("None"), json!("")];
    if dice.roll(8) == 0 { dice.one(&odd).clone() } else { dice.one(&likely).clone() }
}

fn world(policy: &Policy, settings: &Settings, dice: &mut Dice) -> World {
    let mut some = |value: Value| (dice.roll(2) == 0).then_some(value);
    let text = |value: Option<Value>| value.and_then(|value| Some(value.as_str()?.to_string()));
    let machine = Machine {
        os: text(some(json!("linux"))),
        platform: text(some(json!("Linux-6.6"))),
        cores: some(json!(4)).map(|_| 4),
        memory_bytes: some(json!(1)).map(|_| 1 << 30),
        pi_model: text(some(json!("Raspberry Pi 4"))),
        ..Machine::default()
    };
    let throttle = [None, Some(0), Some(0x5_0005), Some(0x5_0000)][dice.roll(4)];
    let once = if dice.roll(5) == 0 { Vec::new() } else { vec!["startup".into(), "printer_connected".into()] };
    let mut world = World { heard: BTreeMap::new(), machine, throttle, once };
    for sees in &policy.manifest().sees {
        let mut payload = Map::new();
        for field in &sees.fields {
            let (group, name) = field.name.split_once('.').unwrap_or((&field.name, ""));
            let value = value(&field.name, dice);
            match name {
                _ if dice.roll(12) == 0 => {}
                "" => drop(payload.insert(group.into(), value)),
                _ => {
                    let inner = payload.entry(group).or_insert_with(|| json!({}));
                    inner.as_object_mut().unwrap().insert(name.into(), value);
                }
            }
        }
        if dice.roll(8) > 0 {
            let age = i64::try_from(dice.roll(100_000)).unwrap();
            world.hear(policy, settings, &sees.event, &Value::Object(payload), age);
        }
    }
    world
}

/// Texts that a component knows and could send in place of others.
fn known(world: &World) -> Vec<String> {
    let heard = world.heard.values().flat_map(|(_, fields)| fields.values());
    let mut known: BTreeSet<_> = heard.filter(|value| !value.is_null()).map(model::text).collect();
    known.extend(["", "True", "False", "unknown", "0", "1", "local", "OFFLINE", "CLOSED"].map(Into::into));
    known.insert("0123456789abcdef0123456789abcdef01234567".into());
    known.into_iter().collect()
}

/// The request, altered in one way.
fn alterations(
    honest: &Request,
    declared: &[String],
    names: &[String],
    known: &[String],
    dice: &mut Dice,
) -> Vec<Request> {
    let mut all = Vec::new();
    let mut alter = |change: &mut dyn FnMut(&mut Request)| {
        let mut request = honest.clone();
        change(&mut request);
        all.push(request);
    };
    for at in 0..honest.fields.len() {
        let texts: Vec<String> = (0..4).map(|_| dice.one(known).clone()).collect();
        for text in &texts {
            alter(&mut |request| request.fields[at].1.clone_from(text));
        }
        alter(&mut |request| drop(request.fields.remove(at)));
        alter(&mut |request| request.fields[at].1.push(' '));
        alter(&mut |request| request.fields[at].1.insert(0, '0'));
        alter(&mut |request| request.fields[at].1.push('\n'));
        alter(&mut |request| _ = request.fields[at].1.pop());
        alter(&mut |request| request.fields[at].1 = request.fields[at].1.to_uppercase());
        alter(&mut |request| request.fields[at].1 = request.fields[at].1.to_lowercase());
        alter(&mut |request| request.fields[at].1 = request.fields[at].1.chars().rev().collect());
        alter(&mut |request| request.fields[at].0 = request.fields[at].0.to_uppercase());
        alter(&mut |request| request.fields.insert(at, request.fields[at].clone()));
        alter(&mut |request| request.fields.push(request.fields[at].clone()));
        alter(&mut |request| request.fields.rotate_left(at));
        let other = dice.roll(honest.fields.len());
        alter(&mut |request| request.fields.swap(at, other));
        alter(&mut |request| request.fields[at].0.clone_from(&honest.fields[other].0));
        alter(&mut |request| request.fields[at].1.clone_from(&honest.fields[other].1));
        alter(&mut |request| request.fields.truncate(at));
    }
    for name in declared {
        let at = dice.roll(honest.fields.len() + 1);
        let text = dice.one(known).clone();
        alter(&mut |request| request.fields.insert(at, (name.clone(), text.clone())));
    }
    alter(&mut |request| request.fields.push(("message".into(), "x".into())));
    alter(&mut |request| request.fields.extend(request.fields.clone()));
    alter(&mut |request| request.fields.reverse());
    for name in names {
        alter(&mut |request| request.name.clone_from(name));
    }
    alter(&mut |request| request.name = request.name.to_uppercase());
    alter(&mut |request| request.name.push('_'));
    alter(&mut |request| request.method = if request.method == Method::Get { Method::Post } else { Method::Get });
    alter(&mut |request| request.user_agent.push('.'));
    alter(&mut |request| request.user_agent = "OctoPrint/9.9.9".into());
    alter(&mut |request| request.user_agent = request.user_agent.to_lowercase());
    alter(&mut |request| request.user_agent.clear());
    all
}

/// A gate, and what is going on.
struct Gate<'a> {
    policy: &'a Policy,
    settings: &'a Settings,
    world: &'a World,
    memory: Memory,
    occasion: Cause,
}

impl Gate<'_> {
    fn passes(&self, request: &Request) -> bool {
        let context = Context { cause: &self.occasion, memory: &self.memory, facts: self.world, now_ms: NOW };
        pass(request.clone(), self.policy, self.settings, Consent::Given, Some(&context)).is_ok()
    }

    /// All requests that are honest on this occasion.
    fn honest(&self) -> Vec<Request> {
        let manifest = self.policy.manifest();
        let all = manifest.says.iter();
        all.filter_map(|says| self.world.honest(says, manifest, &self.occasion, self.settings)).collect()
    }
}

fn settings(off: &str) -> Settings {
    let mut settings = Settings::parse(r#"{"enabled": true, "unique_id": "4711"}"#).unwrap();
    if !off.is_empty() {
        settings.set(off, false.into()).unwrap();
    }
    settings
}

#[test]
fn of_all_requests_only_the_honest_one_passes() {
    let policy = Policy::new(Manifest::parse(TRACKER).unwrap()).unwrap();
    let manifest = policy.manifest();
    let names: Vec<String> = manifest.says.iter().map(|says| says.request.replace("{reason}", "x")).collect();
    let mut dice = Dice(0x5DEE_CE66_D1CE_4E5B);
    let mut tried = 0;
    let mut passed = BTreeMap::new();
    let mut yesterday: BTreeMap<usize, Request> = BTreeMap::new();
    for round in 0..60 {
        // Everything is heard while all is on; then a switch may be turned off.
        let off = if round % 6 == 5 {
            *dice.one(&["events.commerror", "events.achievements", "events.printjob"])
        } else {
            ""
        };
        let world = world(&policy, &settings(""), &mut dice);
        let (settings, known) = (settings(off), known(&world));
        for (number, says) in manifest.says.iter().enumerate() {
            for cause in &says.on {
                let occasion = match cause.as_str() {
                    "tick" => Cause::Tick(vec![says.request.clone()]),
                    event if world.heard.contains_key(event) => Cause::Event(event.into()),
                    _ => continue,
                };
                let memory = world.memory(manifest);
                let gate = Gate { policy: &policy, settings: &settings, world: &world, memory, occasion };
                let allowed = gate.honest();
                let honest = world.honest(says, manifest, &gate.occasion, &settings);
                let mut others = Vec::from_iter(yesterday.get(&number).cloned());
                if let Some(honest) = &honest {
                    assert!(gate.passes(honest), "the honest one is blocked: {:?} {honest:?}", gate.occasion);
                    *passed.entry(number).or_insert(0) += 1;
                    let fields: Vec<String> = says.fields.iter().map(|field| field.name.clone()).collect();
                    others.extend(alterations(honest, &fields, &names, &known, &mut dice));
                    yesterday.insert(number, honest.clone());
                }
                for other in others.iter().filter(|other| !allowed.contains(other)) {
                    tried += 1;
                    assert!(!gate.passes(other), "{:?}: {other:?}, and not {honest:?}", gate.occasion);
                }
            }
        }
    }
    assert!(tried > 40_000, "{tried}");
    assert_eq!(passed.len(), manifest.says.len(), "each entry was honest at times: {passed:?}");
}

/// All ways to fill in these fields with what is known, or to leave them out.
fn all_ways(fields: &[String], known: &[String]) -> Vec<Vec<(String, String)>> {
    let Some((first, rest)) = fields.split_first() else { return vec![Vec::new()] };
    let mut ways = Vec::new();
    for rest in all_ways(rest, known) {
        for text in known {
            ways.push([vec![(first.clone(), text.clone())], rest.clone()].concat());
        }
        ways.push(rest);
    }
    ways
}

#[test]
fn there_is_never_more_than_one_request_of_an_entry() {
    let policy = Policy::new(Manifest::parse(TRACKER).unwrap()).unwrap();
    let manifest = policy.manifest();
    let settings = settings("");
    let mut dice = Dice(0x2545_F491_4F6C_DD1D);
    let mut found = 0;
    for _ in 0..4 {
        let world = world(&policy, &settings, &mut dice);
        let known = known(&world);
        for says in manifest.says.iter().filter(|says| (1..=2).contains(&says.fields.len())) {
            let occasion = match says.on[0].as_str() {
                "tick" => Cause::Tick(vec![says.request.clone()]),
                event => Cause::Event(event.into()),
            };
            let Some(honest) = world.honest(says, manifest, &occasion, &settings) else { continue };
            let gate =
                Gate { policy: &policy, settings: &settings, world: &world, memory: world.memory(manifest), occasion };
            let fields: Vec<String> = says.fields.iter().map(|field| field.name.clone()).collect();
            let ways = all_ways(&fields, &known).into_iter();
            let passing: Vec<_> = ways
                .map(|fields| Request { fields, ..honest.clone() })
                .filter(|request| gate.passes(request))
                .collect();
            assert_eq!(passing, [honest]);
            found += 1;
        }
    }
    assert!(found > 10, "{found}");
}
