//! The plant data shipped with this build: containers and cells by id.

use bess_plant::PlantSpec;
use bess_plant::spec::{CellSpec, ContainerSpec, LFP_300, LIQ_20FT_1267};

/// Why plant data cannot be used.
#[derive(Clone, Debug)]
pub struct PlantDataError {
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub help: String,
}

const CELLS: [(&str, &str); 1] = [("lfp-300", LFP_300)];
const CONTAINERS: [(&str, &str); 1] = [("liq-20ft-1267", LIQ_20FT_1267)];

/// The plant made of this container and this cell.
pub fn spec(container: &str, cell: &str) -> Result<PlantSpec, PlantDataError> {
    Ok(PlantSpec {
        cell: parse::<CellSpec>("cell", cell, &CELLS)?,
        container: parse::<ContainerSpec>("container", container, &CONTAINERS)?,
    })
}

fn parse<T: serde::de::DeserializeOwned>(
    what: &str,
    id: &str,
    known: &[(&str, &str)],
) -> Result<T, PlantDataError> {
    let Some((_, text)) = known.iter().find(|(known, _)| *known == id) else {
        let known: Vec<_> = known.iter().map(|(id, _)| *id).collect();
        return Err(PlantDataError {
            message: format!("there is no {what} `{id}`"),
            help: format!("known: {}", known.join(", ")),
        });
    };
    toml::from_str(text).map_err(|error| PlantDataError {
        message: format!("{what} `{id}` cannot be read: {}", error.message().trim()),
        help: "correct the data file under twin/plant/data".into(),
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn shipped_data_loads() {
        for (container, _) in super::CONTAINERS {
            for (cell, _) in super::CELLS {
                assert!(
                    super::spec(container, cell).is_ok(),
                    "{:?}",
                    super::spec(container, cell).err()
                );
            }
        }
    }
}
