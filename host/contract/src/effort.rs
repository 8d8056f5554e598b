//! What comparing a component's types, and what compiling it would cost, judged before it is begun:
//! the time and memory for it can grow faster than the file, and one of 50 KB could keep a compiler
//! busy for an hour.

use wasmparser::{FunctionBody, Operator, Parser, Payload, Result};

/// What makes comparing slow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// Bytes of all but core modules and custom sections.
    pub size: usize,
    /// How deep components lie inside one another.
    pub depth: usize,
}

/// Look at how the component is put together.
///
/// # Errors
/// Where the component is damaged.
pub fn frame(bytes: &[u8]) -> Result<Frame> {
    let mut frame = Frame { size: bytes.len(), depth: 0 };
    // What we are in, and whether that is a core module.
    let mut within = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::ModuleSection { unchecked_range, .. } => {
                frame.size = frame.size.saturating_sub(unchecked_range.len());
                within.push(true);
            }
            Payload::ComponentSection { .. } => {
                within.push(false);
                frame.depth = frame.depth.max(within.len());
            }
            Payload::End(_) => drop(within.pop()),
            Payload::CustomSection(section) if within.last() != Some(&true) => {
                frame.size = frame.size.saturating_sub(section.range().len());
            }
            _ => {}
        }
    }
    Ok(frame)
}

/// What makes compiling slow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effort {
    /// Functions and types: each costs something, however small it is.
    pub functions: usize,
    /// Bytes of code.
    pub code: usize,
    /// Bytes of code of the largest function.
    pub largest: usize,
    /// How deep loops are nested in one another.
    pub depth: usize,
    /// Loops of each function, times its variables, together.
    pub work: usize,
}

/// Look at all code.
///
/// # Errors
/// Where the component is damaged.
pub fn effort(bytes: &[u8]) -> Result<Effort> {
    let mut all = Effort::default();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::TypeSection(section) => all.functions += section.count() as usize,
            Payload::FunctionSection(section) => all.functions += section.count() as usize,
            Payload::CodeSectionEntry(body) => {
                let size = body.range().len();
                let (depth, work) = loops(&body)?;
                (all.code, all.work) = (all.code + size, all.work.saturating_add(work));
                (all.largest, all.depth) = (all.largest.max(size), all.depth.max(depth));
            }
            _ => {}
        }
    }
    Ok(all)
}

/// How deep a function's loops are nested, and how many there are, times its variables.
fn loops(body: &FunctionBody) -> Result<(usize, usize)> {
    let mut variables = 1_usize;
    for group in body.get_locals_reader()? {
        variables = variables.saturating_add(group?.0 as usize);
    }
    // The blocks that are open, and whether they are loops.
    let (mut open, mut depth, mut deepest, mut count) = (Vec::new(), 0_usize, 0, 0_usize);
    for operator in body.get_operators_reader()? {
        let is_loop = match operator? {
            Operator::Loop { .. } => true,
            Operator::Block { .. } | Operator::If { .. } => false,
            Operator::End => {
                depth -= usize::from(open.pop() == Some(true));
                continue;
            }
            _ => continue,
        };
        open.push(is_loop);
        depth += usize::from(is_loop);
        count += usize::from(is_loop);
        deepest = deepest.max(depth);
    }
    Ok((deepest, count.saturating_mul(variables)))
}
