//! `bess-viz`: see the library.

fn main() {}
