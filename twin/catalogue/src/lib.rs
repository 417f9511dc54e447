//! Products as data: text in, what the plant is made of out.
//!
//! Each product is one TOML file in the folder of its [`Kind`]. The head says what it is and what it is made of, by id; a
//! table with the name of a part of [`bess_plant::PlantSpec`] (`[cell]`, `[pack]`, `[hv_box]`, `[converter]`, `[air]` …)
//! is that part. `like` takes what the tables lack from another product of the kind. A figure's origin is the tag that begins the comment on its line: `rated_a = 250.0  # [B] note`.
//!
//! Read in this order: [`product`] (the shape of the files), [`catalogue`] (finding and reading them), `inherit` (`like`),
//! `bound` (what figures must lie between),
//! [`compose`] (from ids to a [`bess_plant::PlantSpec`] or a [`bess_plant::spec::SiteSpec`]), [`figure`] (every figure and
//! its [`Tag`]), [`rating`] (what follows by arithmetic), [`conflict`] (what the sources leave open), [`source`] (what they are), [`explain`] (all of it
//! in words). Nothing here reads a file: the shipped texts are compiled in, the binary hands over others.

#![forbid(unsafe_code)]

mod bound;
pub mod catalogue;
pub mod compose;
pub mod conflict;
mod error;
pub mod explain;
pub mod figure;
mod inherit;
pub mod product;
pub mod rating;
pub mod source;
mod tag;
mod unit;

pub use catalogue::{Catalogue, File};
pub use error::CatalogueError;
pub use product::Kind;
pub use rating::Rating;
pub use tag::Tag;
