//! What `bindgen!` makes of `wit/`. The rest of the crate works on its own types.

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "tracker",
    imports: { default: trappable },
    additional_derives: [PartialEq],
});
