//! From ids to what the plant is built from.

use core::ops::Range;

use bess_plant::spec::{
    ContainerSpec, ConverterSpec, HousingSpec, PcsSpec, PlantConfigError, SiteSpec, StationSpec,
};
use bess_plant::{PlantSpec, Topology};
use toml::Spanned;
use toml_edit::Document;

use crate::catalogue::{Catalogue, File, Read};
use crate::error::CatalogueError;
use crate::product::{Cell, Container, HvBox, Kind, Pack, Pcs, Site, SiteStation, Station, Transformer};

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
        self.assemble(&container, cell, &pcs.file, spec)
    }

    /// The site with this id.
    ///
    /// # Errors
    /// As [`Self::plant`]; and if a station has more containers than strings.
    pub fn site(&self, id: &str) -> Result<SiteSpec, CatalogueError> {
        let site = self.product::<Site>(id)?;
        let stations = site.value.station.iter().map(|group| self.station(&site, group));
        Ok(SiteSpec {
            id: id.into(),
            stations: stations.collect::<Result<_, _>>()?,
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
        let (catalogue, id) = self.with(kind, file)?;
        // A part is checked in a shipped container.
        let container = catalogue.product::<Container>("liq-20ft-1267")?;
        let in_place = |part: &dyn Fn(&mut Container) -> &mut Spanned<String>| {
            let mut container = container.clone();
            *part(&mut container.value) = Spanned::new(0..0, id.clone());
            container
        };
        let plain = |container: &Read<Container>, cell| {
            let pcs = catalogue.part::<Pcs>(&container.file, &container.value.pcs)?;
            catalogue.assemble(container, cell, &pcs.file, pcs.value.spec())
        };
        let cells = match kind {
            Kind::Cell => plain(&container, Some(&id)),
            Kind::Pack => plain(&in_place(&|container| &mut container.pack), None),
            Kind::HvBox => plain(&in_place(&|container| &mut container.hv_box), None),
            Kind::Pcs => plain(&in_place(&|container| &mut container.pcs), None),
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
        Ok(format!("{} `{id}`", kind.word()))
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
        Ok(StationSpec {
            id: group.id.get_ref().clone(),
            count: group.count,
            containers_per_station: containers,
            plant: self.assemble(&container, None, &pcs.file, spec)?,
        })
    }

    fn assemble(
        &self,
        container: &Read<Container>,
        cell: Option<&str>,
        pcs_file: &File,
        pcs: PcsSpec,
    ) -> Result<PlantSpec, CatalogueError> {
        let Read { value, file } = container;
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
        let (housing, base) = self.housing(container, pack.value.pack.plate.is_some())?;
        let mut spec = PlantSpec {
            cell: cell.value.cell,
            container: ContainerSpec::compose(
                &value.id,
                topology,
                pack.value.pack,
                hv_box.value.hv_box,
                pcs,
                housing,
            ),
        };
        spec.cell.id = cell.value.id;
        spec.container.hv_box.id = hv_box.value.id;
        spec.check().map_err(|error| {
            let mut files = vec![file, &pack.file, &hv_box.file, pcs_file, &cell.file];
            files.extend(&base);
            out_of_range(&error, &files)
        })?;
        Ok(spec)
    }

    /// The container's own parts, those it does not have taken from the container it is like, with that one's file.
    /// A coolant loop is taken only for packs with plates.
    fn housing(
        &self,
        container: &Read<Container>,
        plates: bool,
    ) -> Result<(HousingSpec, Option<File>), CatalogueError> {
        let base = match &container.value.like {
            Some(like) => Some(self.part::<Container>(&container.file, like)?),
            None => None,
        };
        let own = &container.value;
        macro_rules! table {
            ($name:ident) => {
                own.$name
                    .clone()
                    .or_else(|| base.as_ref().and_then(|base| base.value.$name.clone()))
                    .ok_or_else(|| missing_table(container, base.as_ref(), stringify!($name)))?
            };
        }
        let housing = HousingSpec {
            insulation: table!(insulation),
            cooling: if plates {
                Some(table!(cooling))
            } else {
                own.cooling.clone()
            },
            air: table!(air),
            gas: table!(gas),
            suppression: table!(suppression),
            auxiliary: table!(auxiliary),
            sensors: table!(sensors),
        };
        Ok((housing, base.map(|base| base.file)))
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

fn missing_table(container: &Read<Container>, base: Option<&Read<Container>>, table: &str) -> CatalogueError {
    let (message, help) = match base {
        None => (
            format!("there is no [{table}]"),
            format!("add the table, or name with `like` a container whose [{table}] is to be used"),
        ),
        Some(base) => (
            format!("there is no [{table}], neither here nor in {}", base.value.id),
            "add the table".into(),
        ),
    };
    CatalogueError::at(
        &container.file,
        container.value.like.as_ref().map(Spanned::span),
        message,
        help,
    )
}

/// A figure the plant refuses, shown where it stands.
fn out_of_range(error: &PlantConfigError, files: &[&File]) -> CatalogueError {
    let help = "correct the figure; its unit is in its name";
    // The cell's figures come without the table they are in.
    let find_in_all = |field: &str| files.iter().find_map(|file| Some((*file, find(file, field)?)));
    let place = error
        .field()
        .and_then(|field| find_in_all(&format!("cell.{field}")).or_else(|| find_in_all(field)));
    match (place, files) {
        (Some((file, span)), _) => CatalogueError::at(file, Some(span), error.to_string(), help),
        (None, [container, ..]) => CatalogueError::at(container, None, error.to_string(), help),
        (None, []) => CatalogueError::nowhere(error.to_string(), help),
    }
}

/// Where a figure such as `pack.rows` or `cell.resistance.split[0]` stands in a file.
fn find(file: &File, field: &str) -> Option<Range<usize>> {
    let path = field.split([' ', '[']).next()?;
    let document = Document::parse(file.text()).ok()?;
    let mut item = document.as_item();
    let mut span = None;
    for key in path.split('.') {
        let (name, next) = item.as_table_like()?.get_key_value(key)?;
        span = name.span().or(next.span());
        item = next;
    }
    span
}
