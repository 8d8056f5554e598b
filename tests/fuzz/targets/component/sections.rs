//! Changes a component where it stays one: in the body of a section, of any depth, whose length is then
//! put right; or a section goes, comes twice, or stands elsewhere. Blind changes end at the first length.

use libfuzzer_sys::fuzzer_mutate;

const HEADER: usize = 8;

/// Sections that hold a whole module or component.
const MODULE: u8 = 1;
const COMPONENT: u8 = 4;

/// How much longer a section becomes at most.
const ROOM: usize = 64;

struct Section {
    id: u8,
    body: Vec<u8>,
}

/// The file, changed; none if it has no sections, or one time in four.
pub fn mutate(data: &[u8], seed: u32) -> Option<Vec<u8>> {
    let mut random = Random(u64::from(seed) << 1 | 1);
    if random.below(4) == 0 { None } else { change(data, &mut random) }
}

/// A custom section.
pub fn custom(name: &str, content: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    number(&mut body, name.len());
    body.extend(name.as_bytes());
    body.extend(content);
    let mut out = Vec::new();
    write(&mut out, &Section { id: 0, body });
    out
}

fn change(data: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let (header, rest) = data.split_at_checked(HEADER)?;
    let mut sections = read(rest)?;
    let at = random.below(sections.len());
    match random.below(12) {
        0 => drop(sections.remove(at)),
        1 => {
            let section = sections.remove(at);
            sections.insert(random.below(sections.len() + 1), section);
        }
        2 => {
            let body = sections[at].body.clone();
            sections.insert(at, Section { id: sections[at].id, body });
        }
        kind => {
            let Section { id, body } = &mut sections[at];
            let inner = if matches!(*id, MODULE | COMPONENT) && kind > 3 { change(body, random) } else { None };
            *body = inner.unwrap_or_else(|| {
                let (size, most) = (body.len(), body.len() + ROOM);
                let mut buffer = body.clone();
                buffer.resize(most, 0);
                let size = fuzzer_mutate(&mut buffer, size, most);
                buffer.truncate(size);
                buffer
            });
        }
    }
    let mut out = header.to_vec();
    sections.iter().for_each(|section| write(&mut out, section));
    Some(out)
}

/// Sections up to the first that is none; none if that is the first of all.
fn read(mut rest: &[u8]) -> Option<Vec<Section>> {
    let mut sections = Vec::new();
    while let Some((&id, after)) = rest.split_first() {
        let Some((size, after)) = length(after) else { break };
        let Some((body, after)) = after.split_at_checked(size) else { break };
        sections.push(Section { id, body: body.to_vec() });
        rest = after;
    }
    (!sections.is_empty()).then_some(sections)
}

fn write(out: &mut Vec<u8>, section: &Section) {
    out.push(section.id);
    number(out, section.body.len());
    out.extend(&section.body);
}

/// LEB128.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    for (i, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[i + 1..]));
        }
    }
    None
}

fn number(out: &mut Vec<u8>, mut value: usize) {
    loop {
        let byte = u8::try_from(value & 0x7f).unwrap_or(0);
        value >>= 7;
        out.push(byte | if value > 0 { 0x80 } else { 0 });
        if value == 0 {
            return;
        }
    }
}

/// xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or(0) % most.max(1)
    }
}
