//! Versions are exchanged a thousand times while events flow, and nothing is lost, doubled or out of order.
//! How long it takes is measured by `cargo bench`.

use glassbox_tests::load::exchange;
use std::path::Path;

#[test]
fn a_thousand_exchanges_lose_and_double_nothing() {
    let figures = exchange(Path::new(env!("CARGO_BIN_EXE_glassbox")), 1000, 10, 5000);
    println!("{figures:?}");
    assert_eq!((figures.counted, figures.wrong), (figures.events, 0), "{figures:?}");
    assert!(figures.rate >= 4900.0, "{figures:?}");
}
