//! `bessrig catalogue`: the products, or one of them in full.

use bess_catalogue::Catalogue;

use crate::mistake::Mistake;
use crate::suite::say;

/// Prints the list, or what is known of `id`.
pub(crate) fn run(catalogue: &Catalogue, id: Option<&str>) -> Result<(), Mistake> {
    let text = match id {
        Some(id) => catalogue.explain(id)?,
        None => catalogue.list()?,
    };
    say(text.trim_end());
    Ok(())
}
