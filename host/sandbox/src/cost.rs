//! What it would cost to compile a component, estimated beforehand: it can take time and memory that grow faster than the
//! file, and one of 50 KB could keep a compiler busy for an hour. The limits are in `limits.rs`.

use wasmparser::{FunctionBody, Operator, Parser, Payload, Result};

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
        match operator? {
            Operator::Loop { .. } => {
                open.push(true);
                (depth, count) = (depth + 1, count + 1);
                deepest = deepest.max(depth);
            }
            Operator::Block { .. } | Operator::If { .. } => open.push(false),
            Operator::End => depth -= usize::from(open.pop() == Some(true)),
            _ => {}
        }
    }
    Ok((deepest, count.saturating_mul(variables)))
}
