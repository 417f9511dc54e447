//! From ids to what the plant is built from.

use core::ops::Range;

use bess_plant::spec::{
    AgentSpec, CellSpec, ContainerSpec, ConverterSpec, HousingSpec, PcsSpec, PlantConfigError, SiteSpec,
    StationSpec,
};
use bess_plant::{PlantSpec, Topology};
use toml::Spanned;

use crate::bound::MOST_CELLS;
use crate::catalogue::{Catalogue, File, Read, id_of, read_error};
use crate::conflict::conflict;
use crate::error::CatalogueError;
use crate::inherit::find;
use crate::product::{
    Agent, Cell, Container, HvBox, Kind, Pack, Pcs, Site, SiteStation, Station, Transformer,
};

impl Catalogue {
    /// The plant made of this container, with its pack's cell or another.
    ///
    /// # Errors
    /// If there is no such container or cell, a product it is made of is missing or does not read, or a figure is
    /// outside its sensible range.
    pub fn plant(&self, container: &str, cell: Option<&str>) -> Result<PlantSpec, CatalogueError> {
        let container = self.product::<Container>(container)?;
        let pcs = self.part::<Pcs>(&container.file, &container.value.pcs)?;
        let spec = pcs.value.spec().scaled(container.value.pcs_count as f64);
        let plant = self.assemble(&container, cell, spec, &pcs.clone().into_files())?;
        self.check_voltage(
            &container,
            cell,
            &pcs.value,
            (&container.file, &container.value.pcs),
        )?;
        Ok(plant)
    }

    /// The site with this id.
    ///
    /// # Errors
    /// As [`Self::plant`]; and if a station has more containers than strings, or the site too many cells.
    pub fn site(&self, id: &str) -> Result<SiteSpec, CatalogueError> {
        let site = self.product::<Site>(id)?;
        let stations = site.value.station.iter().map(|group| self.station(&site, group));
        let stations = stations.collect::<Result<Vec<_>, _>>()?;
        let cells = |group: &StationSpec| {
            let container = &group.plant.container;
            let cluster = container.packs_per_cluster * container.cells_per_pack;
            group.containers() * container.clusters * cluster
        };
        let cells: usize = stations.iter().map(cells).sum();
        if cells > MOST_CELLS {
            return Err(CatalogueError::at(
                &site.file,
                find(&site.file, &["station"]),
                format!("{cells} cells, more than the {MOST_CELLS} that a site may have"),
                "give fewer stations; a larger plant is several sites",
            ));
        }
        Ok(SiteSpec {
            id: id.into(),
            stations,
            poi_kv: site.value.poi_kv,
            power_limit_w: site.value.power_mw * 1e6,
            energy_limit_wh: site.value.energy_mwh * 1e6,
        })
    }

    /// Reads a product file as a run would, in front of whatever has its id; a few words on what it is, if it is right.
    ///
    /// # Errors
    /// If it does not read, what it is made of is missing, or a figure is outside its sensible range.
    pub fn check(&self, kind: Kind, file: File) -> Result<String, CatalogueError> {
        check_flags(&file)?;
        let (catalogue, id) = self.with(kind, file)?;
        // A part is checked in a shipped container of one cluster, a pack in one that is cooled as it is.
        let liquid = kind != Kind::Pack || catalogue.product::<Pack>(&id)?.value.pack.airflow.is_none();
        let container = if liquid { "liq-20ft-1267" } else { "air-20ft-1254" };
        let mut container = catalogue.product::<Container>(container)?;
        container.value.clusters = 1;
        let in_place = |part: &dyn Fn(&mut Container) -> &mut Spanned<String>| {
            let mut container = container.clone();
            *part(&mut container.value) = Spanned::new(0..0, id.clone());
            container
        };
        let plain = |container: &Read<Container>, cell| {
            let pcs = catalogue.part::<Pcs>(&container.file, &container.value.pcs)?;
            catalogue.assemble(container, cell, pcs.value.spec(), &pcs.into_files())
        };
        let cells = match kind {
            Kind::Cell => plain(&container, Some(&id)),
            Kind::Pack => plain(&in_place(&|container| &mut container.pack), None),
            Kind::HvBox => plain(&in_place(&|container| &mut container.hv_box), None),
            Kind::Pcs => plain(&in_place(&|container| &mut container.pcs), None),
            Kind::Agent => {
                let mut container = container.clone();
                container.value.suppression.agent.clone_from(&id);
                plain(&container, None)
            }
            Kind::Container => catalogue.plant(&id, None),
            Kind::Station => {
                let station = catalogue.product::<Station>(&id)?;
                catalogue.part::<Pcs>(&station.file, &station.value.pcs)?;
                return Ok(format!("station `{id}`"));
            }
            Kind::Site => {
                let site = catalogue.site(&id)?;
                return Ok(format!("site `{id}`, {} containers", site.containers()));
            }
        };
        cells?;
        let kept = match kind {
            Kind::Cell => catalogue.kept_figures(&id)?,
            _ => String::new(),
        };
        Ok(format!("{} `{id}`{kept}", kind.word()))
    }

    /// Figures of a cell that grow with its capacity but are still those of the cell it is like, and what they would be in
    /// proportion; empty if there are none.
    fn kept_figures(&self, id: &str) -> Result<String, CatalogueError> {
        let cell = self.product::<Cell>(id)?;
        let Some(base) = cell.bases.first() else {
            return Ok(String::new());
        };
        let base = self.product::<Cell>(&id_of(Kind::Cell, base)?)?.value;
        let ratio = cell.value.cell.capacity_ah / base.cell.capacity_ah;
        let kept: Vec<_> = GROWING
            .iter()
            .filter(|(path, _)| find(&cell.file, path).is_none())
            .map(|(path, of)| {
                let value = of(&base.cell);
                let decimals = if value < 100.0 { 2 } else { 0 };
                format!(
                    "{} = {value}, in proportion {:.decimals$}",
                    path.join("."),
                    value * ratio
                )
            })
            .collect();
        if ratio == 1.0 || kept.is_empty() {
            return Ok(String::new());
        }
        Ok(format!(
            "\nnote: its {} Ah differ from the {} Ah of `{}`, but figures that grow with the capacity are still those of that \
             cell; give your own: {}",
            cell.value.cell.capacity_ah,
            base.cell.capacity_ah,
            base.id,
            kept.join("; ")
        ))
    }

    fn station(&self, site: &Read<Site>, group: &SiteStation) -> Result<StationSpec, CatalogueError> {
        // A PCS with its transformer elsewhere may stand for a station.
        let (pcs, count, strings, transformer) = if self.file(Kind::Pcs, group.id.get_ref()).is_some() {
            let pcs = self.part::<Pcs>(&site.file, &group.id)?;
            let strings = pcs.value.strings;
            (pcs, 1, strings, None)
        } else {
            let station = self.part::<Station>(&site.file, &group.id)?;
            let pcs = self.part::<Pcs>(&station.file, &station.value.pcs)?;
            let Station {
                pcs_count,
                strings,
                transformer,
                ..
            } = station.value;
            (pcs, pcs_count, strings, Some(transformer))
        };
        let containers = *group.containers.get_ref();
        if containers == 0 || containers > strings {
            return Err(CatalogueError::at(
                &site.file,
                Some(group.containers.span()),
                format!(
                    "{containers} containers on {}, which has {strings} strings",
                    group.id.get_ref()
                ),
                format!("give a number from 1 to {strings}"),
            ));
        }
        let mut spec = pcs.value.spec().scaled(count as f64 / containers as f64);
        if let Some(transformer) = transformer {
            transformer.add_to(&mut spec.converter);
        }
        let container = self.part::<Container>(&site.file, &site.value.container)?;
        let plant = self.assemble(&container, None, spec, &pcs.clone().into_files())?;
        self.check_voltage(&container, None, &pcs.value, (&site.file, &group.id))?;
        Ok(StationSpec {
            id: group.id.get_ref().clone(),
            count: group.count,
            containers_per_station: containers,
            plant,
        })
    }

    /// A full cluster is no more than its HV box is made for, and in the range of the PCS that `named` names. A `cell` other
    /// than the pack's was asked for, so that no file is wrong.
    fn check_voltage(
        &self,
        container: &Read<Container>,
        cell: Option<&str>,
        pcs: &Pcs,
        named: (&File, &Spanned<String>),
    ) -> Result<(), CatalogueError> {
        let rating = self.rating(&container.value.id, cell)?;
        let (full_v, cell_v) = (rating.window_v[1], rating.cell_window_v[1]);
        let [low, high] = pcs.converter.dc_range_v;
        let (file, part, what) = if full_v > rating.box_v {
            let hv_box = &container.value.hv_box;
            let what = format!("its HV box `{}` is for {} V", hv_box.get_ref(), rating.box_v);
            (&container.file, hv_box, what)
        } else if !(low..=high).contains(&full_v) {
            let what = format!("the PCS `{}` runs from {low} to {high} V", pcs.id);
            (named.0, named.1, what)
        } else {
            return Ok(());
        };
        let message = format!(
            "a full cluster of `{}` has {full_v:.1} V, {} cells in series of {cell_v} V, but {what}",
            container.value.id, rating.cells_in_series
        );
        let help =
            "name a box and a PCS for this voltage, or give another number of packs or cells in series";
        Err(match cell {
            Some(_) => CatalogueError::nowhere(message, help),
            None => CatalogueError::at(file, Some(part.span()), message, help),
        })
    }

    /// The agent of a container, which the container may have from the one it is like.
    fn agent(&self, container: &Read<Container>) -> Result<Read<Agent>, CatalogueError> {
        self.product(&container.value.suppression.agent).map_err(|error| {
            let place = container
                .files()
                .find_map(|file| Some((file, find(file, &["suppression", "agent"])?)));
            match place {
                Some((file, span)) => CatalogueError::at(file, Some(span), error.to_string(), error.help()),
                None => error,
            }
        })
    }

    fn assemble(
        &self,
        container: &Read<Container>,
        cell: Option<&str>,
        pcs: PcsSpec,
        pcs_files: &[File],
    ) -> Result<PlantSpec, CatalogueError> {
        let Read { value, file, .. } = container;
        let pack = self.part::<Pack>(file, &value.pack)?;
        let hv_box = self.part::<HvBox>(file, &value.hv_box)?;
        let cell = match cell {
            Some(id) => self.product::<Cell>(id)?,
            None => self.part::<Cell>(&pack.file, &pack.value.cell)?,
        };
        let topology = Topology {
            clusters: value.clusters,
            packs_per_cluster: value.packs_per_cluster,
            cells_per_pack: pack.value.cells,
        };
        let agent = self.agent(container)?;
        let housing = value.housing(file, pack.value.pack.plate.is_some(), agent.value.agent.clone());
        let mut spec = PlantSpec {
            cell: cell.value.cell.clone(),
            container: ContainerSpec::compose(
                &value.id,
                topology,
                pack.value.pack.clone(),
                hv_box.value.hv_box.clone(),
                pcs,
                housing,
            ),
        };
        spec.cell.id.clone_from(&cell.value.id);
        spec.container.hv_box.id.clone_from(&hv_box.value.id);
        spec.check().map_err(|error| {
            let files = container.files().chain(pack.files()).chain(hv_box.files());
            let files = files.chain(agent.files());
            let files: Vec<_> = files.chain(pcs_files).chain(cell.files()).collect();
            self.out_of_range(&error, &files)
        })?;
        Ok(spec)
    }
}

impl Pcs {
    /// Its part of the plant.
    pub fn spec(&self) -> PcsSpec {
        PcsSpec {
            converter: ConverterSpec {
                id: self.id.clone(),
                ..self.converter.clone()
            },
            dc_bus: self.dc_bus.clone(),
            grid: self.grid.clone(),
        }
    }
}

impl Transformer {
    /// Its losses have the form of the converter's: a constant part and one that grows with the square of the power.
    fn add_to(&self, converter: &mut ConverterSpec) {
        for loss in [&mut converter.loss_charge_pu, &mut converter.loss_discharge_pu] {
            loss[0] += self.no_load_pu;
            loss[1] += self.load_pu;
        }
    }
}

/// A product may only name conflicts there are.
fn check_flags(file: &File) -> Result<(), CatalogueError> {
    #[derive(serde::Deserialize)]
    struct Head {
        #[serde(default)]
        flags: Vec<Spanned<u8>>,
    }
    let head: Head = toml::from_str(file.text()).map_err(|error| read_error(file, &error))?;
    match head.flags.iter().find(|flag| conflict(*flag.get_ref()).is_none()) {
        Some(flag) => Err(CatalogueError::at(
            file,
            Some(flag.span()),
            format!("there is no conflict {}", flag.get_ref()),
            "flags are numbers of conflicts in the sources; bessrig catalogue conflicts lists them",
        )),
        None => Ok(()),
    }
}

/// A figure of a cell: the keys that lead to it, and its value.
type CellFigure = (&'static [&'static str], fn(&CellSpec) -> f64);

/// Figures of a cell that are about in proportion to its capacity.
const GROWING: [CellFigure; 3] = [
    (&["cell", "mass_kg"], |cell| cell.mass_kg),
    (&["cell", "runaway", "vent_latent_j"], |cell| {
        cell.runaway.vent_latent_j
    }),
    (&["cell", "runaway", "energy_full_j"], |cell| {
        cell.runaway.energy_full_j
    }),
];

/// A figure of the plant and where it is written.
struct Written<'a> {
    name: String,
    file: &'a File,
    span: Range<usize>,
}

impl Catalogue {
    /// A figure the plant refuses, shown where the user wrote it. If it is a shipped one that does not suit a figure of the
    /// user's, that one is shown, and where the other stands is said.
    fn out_of_range(&self, error: &PlantConfigError, files: &[&File]) -> CatalogueError {
        let help = "correct the figure; its unit is in its name";
        let written = |field: &str| {
            let find = |field: &str| {
                let mut files = files.iter().copied();
                files.find_map(|file| Some((file, find_field(file, field)?)))
            };
            // The cell's figures come without the table they are in, and a pack says `cells`.
            let name = if field == "cells_per_pack" { "cells" } else { field };
            let (file, span) = find(&format!("cell.{name}")).or_else(|| find(name))?;
            let name = name.to_owned();
            Some(Written { name, file, span })
        };
        let refused = error.field().and_then(written);
        let others: Vec<_> = error
            .bounded_by()
            .iter()
            .filter_map(|field| written(field))
            .collect();
        let is_own = |written: &&Written<'_>| !self.is_shipped(written.file);
        let own = refused.iter().chain(&others).find(is_own);
        let Some(shown) = own.or(refused.as_ref()) else {
            return match files {
                [container, ..] => CatalogueError::at(container, None, error.to_string(), help),
                [] => CatalogueError::nowhere(error.to_string(), help),
            };
        };
        let elsewhere: Vec<_> = refused
            .iter()
            .chain(&others)
            .filter(|other| other.file != shown.file)
            .map(|Written { name, file, span }| format!("`{name}` is in {}", file.line_of(span.start)))
            .collect();
        let help = if elsewhere.is_empty() {
            help.to_owned()
        } else {
            format!(
                "{}; give all that belong together, or correct the figure",
                elsewhere.join(", ")
            )
        };
        CatalogueError::at(shown.file, Some(shown.span.clone()), error.to_string(), help)
    }
}

/// Where a figure such as `pack.rows` or `cell.resistance.split[0]` stands in a file.
fn find_field(file: &File, field: &str) -> Option<Range<usize>> {
    let path: Vec<_> = field.split([' ', '[']).next()?.split('.').collect();
    find(file, &path)
}

impl Container {
    /// A coolant loop taken over from the container it is like serves only packs with plates.
    pub(crate) fn keeps_cooling(file: &File, plates: bool) -> bool {
        plates || find(file, &["cooling"]).is_some()
    }

    /// Its part of the plant.
    fn housing(&self, file: &File, plates: bool, agent: AgentSpec) -> HousingSpec {
        HousingSpec {
            insulation: self.insulation.clone(),
            cooling: self.cooling.clone().filter(|_| Self::keeps_cooling(file, plates)),
            air: self.air.clone(),
            gas: self.gas.clone(),
            suppression: self.suppression.clone(),
            agent,
            auxiliary: self.auxiliary.clone(),
            sensors: self.sensors.clone(),
        }
    }
}
