//! The `keyward` program.
fn main() {}
