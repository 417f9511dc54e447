//! Every shipped product is whole, and its figures agree with the sources' own arithmetic.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use bess_catalogue::{Catalogue, Kind};

#[test]
fn every_product_composes() {
    let catalogue = Catalogue::shipped();
    for kind in Kind::ALL {
        for id in catalogue.ids(kind) {
            let file = catalogue.file(kind, id).unwrap().clone();
            if let Err(error) = catalogue.check(kind, file) {
                panic!("{} {id}: {error}", kind.word());
            }
        }
    }
}
