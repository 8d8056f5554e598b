//! What it would cost to compare a component's types, estimated beforehand: it can take time that grows faster than the
//! file. The limits are in `world.rs`.

use wasmparser::{Parser, Payload, Result};

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
