//! The controllers under test: their processes, and the deliberately broken ones that prove the suite.

pub(crate) mod defects;
pub(crate) mod process;
