//! What it would cost to compare a component's types and to compile it, estimated beforehand: either can
//! take time and memory that grow faster than the file, and one of 50 KB could keep a compiler busy for an
//! hour. The limits are elsewhere: `world.rs` for comparing, the sandbox's `limits.rs` for compiling.

use wasmparser::{FunctionBody, Operator, Parser, Payload, Result};

/// What makes comparing types slow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InterfaceCost {
    /// Bytes of everything except core modules and custom sections.
    pub size: usize,
    /// How deeply modules and components are nested; 0 if there are none inside.
    pub depth: usize,
}

/// Measure a component's interface.
///
/// # Errors
/// When the bytes are damaged.
pub fn interface_cost(bytes: &[u8]) -> Result<InterfaceCost> {
    let mut cost = InterfaceCost { size: bytes.len(), depth: 0 };
    // The modules and components that we are in; true for a core module.
    let mut within = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::ModuleSection { unchecked_range, .. } => {
                cost.size = cost.size.saturating_sub(unchecked_range.len());
                within.push(true);
            }
            Payload::ComponentSection { .. } => {
                within.push(false);
                cost.depth = cost.depth.max(within.len());
            }
            Payload::End(_) => drop(within.pop()),
            Payload::CustomSection(section) if within.last() != Some(&true) => {
                cost.size = cost.size.saturating_sub(section.range().len());
            }
            _ => {}
        }
    }
    Ok(cost)
}

/// What makes compiling slow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompileCost {
    /// Number of functions and types: each costs something, however small it is.
    pub functions: usize,
    /// Bytes of code in all functions.
    pub code: usize,
    /// Bytes of code in the largest function.
    pub largest_function: usize,
    /// How deeply loops are nested.
    pub loop_depth: usize,
    /// The sum over all functions of their loops times their local variables.
    pub loop_work: usize,
}

/// Measure all code in a component, without compiling it.
///
/// # Errors
/// When the bytes are damaged.
pub fn compile_cost(bytes: &[u8]) -> Result<CompileCost> {
    let mut cost = CompileCost::default();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::TypeSection(section) => cost.functions += section.count() as usize,
            Payload::FunctionSection(section) => cost.functions += section.count() as usize,
            Payload::CodeSectionEntry(body) => {
                let size = body.range().len();
                let (depth, work) = loops(&body)?;
                cost.code += size;
                cost.largest_function = cost.largest_function.max(size);
                cost.loop_depth = cost.loop_depth.max(depth);
                cost.loop_work = cost.loop_work.saturating_add(work);
            }
            _ => {}
        }
    }
    Ok(cost)
}

/// How deeply a function's loops are nested, and their number times that of its local variables.
fn loops(body: &FunctionBody) -> Result<(usize, usize)> {
    let mut variables = 1_usize;
    for group in body.get_locals_reader()? {
        variables = variables.saturating_add(group?.0 as usize);
    }
    // The blocks that are open; true for a loop.
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
