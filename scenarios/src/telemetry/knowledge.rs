//! What product files and maps say of points: limits, feedback, latches, and where each is seen on the wires.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;

use bess_devices::codec::can::listing::{Bound, Means, bindings};
use bess_devices::codec::modbus::listing::{Listing, Meaning, Register, name_of_table};
use bess_devices::facts::{self, PointFacts};
use bess_devices::kinds::{point_facts, point_table};
use bess_devices::protection::ResetBy;
use bess_devices::{DeviceKind, Library, Product, ProductError, addressing};
use bess_rig::config::DeviceConfig;
use bess_rig::{ModbusAddress, PointInfo, RigConfig};
use bess_telemetry::{Latch, Limit, Seen, Wire};
use bess_types::Source;

/// Name of the wire of a device's Modbus server, beside those of its CAN ports.
const MODBUS: &str = "modbus";

/// What is known of the points of a rig's devices, by tag.
pub(super) struct Knowledge {
    devices: BTreeMap<String, Rc<OfProduct>>,
    /// Limits of the clusters' controllers, if all have the same.
    clusters: BTreeMap<String, Vec<facts::Limit>>,
}

/// What is known of a product's points.
struct OfProduct {
    facts: PointFacts,
    places: BTreeMap<String, Vec<Place>>,
}

/// Where a point is on a wire.
#[derive(Clone, PartialEq)]
struct Place {
    port: String,
    /// As [`Seen::place`].
    text: String,
    address: u32,
}

impl Knowledge {
    /// Of the devices of a rig. A device whose product has a mistake is left out: whoever builds the rig is told of it.
    pub(super) fn of(config: &RigConfig, library: &Library) -> Self {
        let mut devices = BTreeMap::new();
        // equal devices share a product, or rather a copy of it
        let mut products: BTreeMap<(String, String), Rc<OfProduct>> = BTreeMap::new();
        let mut clusters: Option<BTreeMap<String, Vec<facts::Limit>>> = None;
        for (tag, product) in bess_rig::wiring::products(config, library) {
            let Some(device) = config.device(&tag) else {
                continue;
            };
            let key = (product.id.clone(), device.settings.to_string());
            let known = match products.get(&key) {
                Some(known) => Rc::clone(known),
                None => match OfProduct::of(&product, library) {
                    Ok(known) => Rc::clone(products.entry(key).or_insert_with(|| Rc::new(known))),
                    Err(_) => continue,
                },
            };
            if device.kind == DeviceKind::Bcu {
                let own = &known.facts.limits;
                match &mut clusters {
                    None => clusters = Some(own.clone()),
                    Some(all) => all.retain(|point, limits| own.get(point) == Some(limits)),
                }
            }
            devices.insert(tag.to_string(), known);
        }
        Self {
            devices,
            clusters: clusters.unwrap_or_default(),
        }
    }

    /// Limits that are held against a point.
    pub(super) fn limits(&self, info: &PointInfo) -> Vec<Limit> {
        if info.source == Source::Plant {
            return self.limits_of_truth(&info.tag, &info.point);
        }
        let found = self.device(info).and_then(|of| of.facts.limits.get(&info.point));
        found.into_iter().flatten().map(told).collect()
    }

    /// Limits that the controllers of all clusters hold against a point of theirs.
    pub(super) fn limits_of_clusters(&self, point: &str) -> Vec<Limit> {
        self.clusters.get(point).into_iter().flatten().map(told).collect()
    }

    /// Likewise, of what a point of the plant is the truth of.
    fn limits_of_truth(&self, tag: &str, point: &str) -> Vec<Limit> {
        let part = tag.rsplit('/').next().unwrap_or_default();
        let sensed = match point {
            "cell-voltage-max" | "cell-voltage-min" => point,
            "cell-temperature-max" => "temperature-max",
            "cell-temperature-min" => "temperature-min",
            "hv-box-temperature" => "box-temperature",
            "voltage" if part.starts_with("cluster-") => "cluster-voltage",
            "current" if part.starts_with("cluster-") => "current",
            _ => return Vec::new(),
        };
        self.limits_of_clusters(sensed)
    }

    /// The point that tells whether a device's command was followed.
    pub(super) fn feedback(&self, info: &PointInfo) -> Option<String> {
        self.device(info)?.facts.feedback.get(&info.point).cloned()
    }

    /// What ends a device's state that outlasts its cause.
    pub(super) fn latch(&self, info: &PointInfo) -> Option<Latch> {
        let until = self.device(info)?.facts.latches.get(&info.point)?;
        Some(match until {
            ResetBy::Command => Latch::Command,
            ResetBy::Hand => Latch::Hand,
        })
    }

    /// What is known of the device a point is of, if it is one's.
    fn device(&self, info: &PointInfo) -> Option<&OfProduct> {
        let of_device = matches!(info.source, Source::Wire | Source::Device);
        let found = self.devices.get(&info.tag).filter(|_| of_device);
        found.map(Rc::as_ref)
    }

    /// Where the points of a tag are seen, by their rows.
    pub(super) fn seen(&self, group: &[PointInfo]) -> Vec<Seen> {
        let Some(of) = group.first().and_then(|info| self.device(info)) else {
            return Vec::new();
        };
        let mut all: Vec<Seen> = Vec::new();
        // runs that end at the row before, or begin at this one
        let mut open: Vec<usize> = Vec::new();
        for (row, info) in (0..).zip(group) {
            let mut now = Vec::new();
            for place in of.places.get(&info.point).into_iter().flatten() {
                let longer = open.iter().copied().find(|&at| goes_on(&all[at], row, place));
                let at = longer.unwrap_or(all.len());
                match all.get_mut(at) {
                    Some(run) => {
                        if run.rows == 1 {
                            run.step = place.address - run.address;
                        }
                        run.rows += 1;
                    }
                    None => all.push(Seen {
                        row,
                        rows: 1,
                        port: place.port.clone(),
                        place: place.text.clone(),
                        address: place.address,
                        step: 0,
                    }),
                }
                now.push(at);
            }
            open = now;
        }
        all
    }
}

/// Whether a row's place continues a run.
fn goes_on(run: &Seen, row: u32, place: &Place) -> bool {
    let is_next = run.row + run.rows == row && run.port == place.port && run.place == place.text;
    let follows = if run.rows == 1 {
        place.address > run.address
    } else {
        place.address == run.address + run.step * run.rows
    };
    is_next && follows && run.place.contains("{}")
}

fn told(limit: &facts::Limit) -> Limit {
    Limit {
        alarm: limit.alarm.into(),
        level: limit.level.and_then(|level| u8::try_from(level.number()).ok()),
        is_upper: limit.is_upper,
        set: exact(limit.set),
        delay_s: limit.delay_s,
        recover: limit.recover.map(exact),
        trips: limit.trips,
    }
}

/// Without what a multiplication leaves in the last digits.
fn exact(value: f64) -> f64 {
    const DIGITS: f64 = 1e9;
    (value * DIGITS).round() / DIGITS
}

impl OfProduct {
    fn of(product: &Product, library: &Library) -> Result<Self, ProductError> {
        let table = point_table(product)?;
        let mut places: BTreeMap<String, Vec<Place>> = BTreeMap::new();
        for (spec, _) in product.ports() {
            let port = spec.port.get_ref();
            // what gives addresses is seen before there is an address to be seen at
            if port == addressing::PORT {
                continue;
            }
            let bound = bindings(product, port, library, &table)?;
            for signal in &bound {
                let pages = pages_of(&bound, signal);
                for (at, point) in signal.points().enumerate() {
                    let page = pages
                        .get(at)
                        .map_or_else(String::new, |page| format!(" page {page}"));
                    places.entry(point.to_owned()).or_default().push(Place {
                        port: port.clone(),
                        text: format!("{}.{}{page}", signal.message, signal.signal),
                        address: 0,
                    });
                }
            }
        }
        if let Some((map, _)) = product.registers() {
            let listing = Listing::of(library.register_map(map.get_ref())?, &table)?;
            for register in &listing.registers {
                let mut add = |point: &str, text: String| {
                    places.entry(point.to_owned()).or_default().push(Place {
                        port: MODBUS.into(),
                        text,
                        address: register.address,
                    });
                };
                match &register.meaning {
                    Meaning::Point(point) => add(point, register_in_words(register)),
                    Meaning::Bits(bits) => {
                        for (bit, point) in bits {
                            let text = format!("{} {{}} bit {bit}", name_of_table(register.table));
                            add(point, text);
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok(Self {
            facts: point_facts(product)?,
            places,
        })
    }
}

/// The pages that a multiplexed signal's points are on, in their order; none if they cannot be told.
fn pages_of(bound: &[Bound], signal: &Bound) -> Vec<u64> {
    let pages: Vec<u64> = bound
        .iter()
        .filter(|other| other.message == signal.message && other.is_sent == signal.is_sent)
        .flat_map(|other| &other.means)
        .filter_map(|means| match means {
            Means::Page(page) => Some(*page),
            _ => None,
        })
        .collect();
    if signal.points().count() + signal.absent.len() == pages.len() {
        pages
    } else {
        Vec::new()
    }
}

/// Table, address, type, worth of a count, and what its maker calls it.
fn register_in_words(register: &Register) -> String {
    let mut text = format!("{} {{}}", name_of_table(register.table));
    if !register.is_bit() {
        text += " ";
        text += register.kind.name();
        if register.low_word_first && register.words > 1 {
            text += " low word first";
        }
        if register.scale.to_bits() != 1.0_f64.to_bits() {
            let _ = write!(text, " x{}", exact(register.scale));
        }
        if register.offset != 0.0 {
            let _ = write!(text, " {:+}", register.offset);
        }
    }
    if !register.name.is_empty() {
        text += " ";
        text += &register.name;
    }
    text
}

/// The wires a device is on.
pub(super) fn wires(device: &DeviceConfig, config: &RigConfig) -> Vec<Wire> {
    let can = device.can.iter().map(|(port, bus)| Wire {
        port: port.clone(),
        name: bus.clone(),
    });
    let server = device.address.map(|address| {
        let place = match address {
            ModbusAddress::Tcp(address) => address.to_string(),
            ModbusAddress::Tls(address) => format!("{address} TLS"),
            ModbusAddress::Line(line) => config
                .rtu_lines
                .get(line)
                .map_or_else(String::new, |line| line.name.clone()),
        };
        Wire {
            port: MODBUS.into(),
            name: format!("{place} unit {}", device.unit),
        }
    });
    can.chain(server).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use std::path::Path;

    use bess_telemetry::{Description, PointDef};

    use crate::bench::{Bench, data};

    fn described(rig: &str) -> Description {
        let rig = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("rigs/{rig}.toml"));
        let bench = Bench::load(&rig, data(None).unwrap(), None).unwrap();
        bench.described.description.clone()
    }

    fn find<'a>(description: &'a Description, tag: &str, point: &str) -> (u32, &'a PointDef) {
        let mut all = (0..).zip(description.all_points());
        let found = all.find(|(_, (group, def))| group.tag == tag && def.name == point);
        let (index, (_, def)) = found.unwrap_or_else(|| panic!("{tag} {point}"));
        (index, def)
    }

    #[test]
    fn a_point_is_traced_to_its_frames_and_registers() {
        let description = described("liquid-20ft");
        let seen = |tag: &str, point: &str| description.seen_at(find(&description, tag, point).0);
        assert_eq!(
            seen("container-01/cluster-03/pack-05/bmu", "cell[17].voltage"),
            ["cluster-can-03, BMU_CELLV_04.CellV_17"]
        );
        let by_bcu = seen("container-01/cluster-02/bcu", "cell[395].voltage");
        assert_eq!(by_bcu, ["stack-can, BCU_CELLV.CellV_3"]);
        assert!(seen("plant:container-01/cluster-01", "voltage").is_empty());
    }

    #[test]
    fn limits_are_those_of_who_watches() {
        let description = described("liquid-20ft");
        let limits = |tag: &str, point: &str| {
            let (_, def) = find(&description, tag, point);
            let all = description.limits_of(def).iter();
            all.map(|limit| (limit.alarm.as_str(), limit.level, limit.set))
                .collect::<Vec<_>>()
        };
        let high = [
            ("cov", Some(1), 3.55),
            ("cov", Some(2), 3.6),
            ("cov", Some(3), 3.65),
        ];
        assert_eq!(limits("container-01/cluster-01/bcu", "cell-voltage-max"), high);
        assert_eq!(limits("plant:container-01/cluster-01", "cell-voltage-max"), high);
        assert_eq!(
            limits("container-01/pcs", "cabinet-temperature").len(),
            1,
            "its own, not a cluster's"
        );
        let voltage = &description.cells.quantities[0];
        assert_eq!(description.limits[voltage.limits.unwrap() as usize].len(), 6);
        let soc = &description.cells.quantities[2];
        assert_eq!(
            soc.limits, None,
            "what a controller holds against its own estimate"
        );
        let (_, coil) = find(&description, "container-01/cluster-01/io", "coil-main-positive");
        assert_eq!(coil.feedback.as_deref(), Some("aux-main-positive"));
        assert!(description.limits.len() < 100, "{}", description.limits.len());
    }

    #[test]
    fn sizes_say_where_they_come_from() {
        let container = &described("liquid-20ft").containers[0];
        assert_eq!(container.product.size_origin.as_deref(), Some("recalled"));
        let cabinet = &described("ci-liq-211").containers[0];
        for product in [&cabinet.product, &cabinet.cell, &cabinet.pack, &cabinet.pcs] {
            assert_eq!(
                product.size.is_some(),
                product.size_origin.is_some(),
                "{}",
                product.id
            );
        }
    }
}
