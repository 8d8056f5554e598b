//! The types of functions as WIT text, with named types written out, so that they can be compared as text,
//! by the host and by people. What the types should be is in `world.rs`.

use std::fmt::Write;
use wasmparser::component_types::{
    ComponentAnyTypeId, ComponentDefinedType, ComponentEntityType, ComponentFuncTypeId, ComponentItem, ComponentValType,
};
use wasmparser::types::TypesRef;

/// Bytes of text after which a type is cut off: in a small file there can be types whose whole text would fill
/// any memory. The world's own are shorter, so a type that is cut off never equals one of them.
const LONGEST: usize = 500;

/// A function that is imported or exported, or whatever is there instead.
pub struct Function {
    /// Its name; empty for one that is not part of an interface.
    pub name: String,
    /// Its type as WIT text, or in words what it is instead of a function.
    pub ty: String,
}

/// The functions of an interface, or the function that the item is. Whatever else an interface holds counts as a
/// function too, as nothing of it is in the world; except types of values, which the functions use.
pub fn functions(types: TypesRef, item: Option<&ComponentItem>) -> Vec<Function> {
    let function = |name: &str, ty| Function { name: name.into(), ty: kind(types, ty) };
    match item.map(|item| item.ty) {
        Some(ComponentEntityType::Instance(id)) => {
            let exports = types[id].exports.iter().filter(|(_, item)| !is_value_type(item.ty));
            exports.map(|(name, item)| function(name, item.ty)).collect()
        }
        item => item.map(|ty| function("", ty)).into_iter().collect(),
    }
}

fn is_value_type(ty: ComponentEntityType) -> bool {
    matches!(ty, ComponentEntityType::Type { referenced: ComponentAnyTypeId::Defined(_), .. })
}

/// A function's type, or what it is instead.
fn kind(types: TypesRef, ty: ComponentEntityType) -> String {
    let other = match ty {
        ComponentEntityType::Func(id) => return signature(types, id),
        ComponentEntityType::Type { referenced: ComponentAnyTypeId::Resource(_), .. } => "a resource",
        ComponentEntityType::Type { .. } => "a type",
        ComponentEntityType::Module(_) => "a core module",
        ComponentEntityType::Component(_) => "a component",
        ComponentEntityType::Instance(_) => "an interface",
        ComponentEntityType::Value(_) => "a value",
    };
    other.into()
}

fn signature(types: TypesRef, id: ComponentFuncTypeId) -> String {
    let function = &types[id];
    let mut out = String::from(if function.async_ { "async func(" } else { "func(" });
    list(&mut out, types, function.params.iter().map(|(_, ty)| ("", Some(*ty))));
    out.push(')');
    if let Some(result) = function.result {
        out.push_str(" -> ");
        value(&mut out, types, result);
    }
    out
}

/// Write names and types, either of which may be missing, with commas between them.
fn list<'a>(out: &mut String, types: TypesRef, parts: impl Iterator<Item = (&'a str, Option<ComponentValType>)>) {
    for (i, (name, ty)) in parts.enumerate() {
        if out.len() > LONGEST {
            return out.push('…');
        }
        out.push_str(if i == 0 { "" } else { ", " });
        out.push_str(name);
        if let Some(ty) = ty {
            out.push_str(if name.is_empty() { "" } else { ": " });
            value(out, types, ty);
        }
    }
}

fn value(out: &mut String, types: TypesRef, ty: ComponentValType) {
    use ComponentDefinedType as Type;
    if out.len() > LONGEST {
        return out.push('…');
    }
    let id = match ty {
        ComponentValType::Type(id) => id,
        ComponentValType::Primitive(primitive) => {
            // Writing to a string does not fail.
            let _ = write!(out, "{primitive}");
            return;
        }
    };
    let (open, close) = match &types[id] {
        Type::Primitive(primitive) => return value(out, types, ComponentValType::Primitive(*primitive)),
        Type::Record(_) => ("record { ", " }"),
        Type::Variant(_) => ("variant { ", " }"),
        Type::Enum(_) => ("enum { ", " }"),
        Type::Flags(_) => ("flags { ", " }"),
        Type::List { .. } => ("list<", ">"),
        Type::Tuple(_) => ("tuple<", ">"),
        Type::Option { .. } => ("option<", ">"),
        Type::Result { .. } => ("result", ""),
        Type::Own(_) | Type::Borrow(_) => ("a resource", ""),
        _ => ("a type that is in no tracker's world", ""),
    };
    out.push_str(open);
    match &types[id] {
        Type::Record(record) => list(out, types, record.fields.iter().map(|(name, ty)| (name.as_str(), Some(*ty)))),
        Type::Variant(variant) => list(out, types, variant.cases.iter().map(|(name, case)| (name.as_str(), case.ty))),
        Type::Enum(names) | Type::Flags(names) => list(out, types, names.iter().map(|name| (name.as_str(), None))),
        Type::Tuple(tuple) => list(out, types, tuple.types.iter().map(|ty| ("", Some(*ty)))),
        Type::List { element: ty, .. } | Type::Option { ty, .. } => value(out, types, *ty),
        Type::Result { ok, err, .. } if ok.is_some() || err.is_some() => {
            out.push('<');
            let parts = [*ok, *err].into_iter().take(1 + usize::from(err.is_some()));
            list(out, types, parts.map(|ty| if ty.is_some() { ("", ty) } else { ("_", None) }));
            out.push('>');
        }
        _ => {}
    }
    out.push_str(close);
}
