//! Every PCS and station that fits a container lets its clusters precharge the DC link, and empties it again.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use core::time::Duration;

use bess_catalogue::product::{Pcs, Station};
use bess_catalogue::rating::Fit;
use bess_catalogue::{Catalogue, Kind};
use bess_plant::spec::{DcBusSpec, PcsSpec, SiteSpec, StationSpec};
use bess_plant::{InitialState, PlantSpec, Site};

/// What a container sees of the PCS or station that fits it.
fn pcs(catalogue: &Catalogue, fit: &Fit) -> PcsSpec {
    let (id, together) = match fit.kind {
        Kind::Pcs => (fit.id.clone(), 1),
        _ => {
            let station = catalogue.product::<Station>(&fit.id).unwrap().value;
            (station.pcs.into_inner(), station.pcs_count)
        }
    };
    let share = (together * fit.count) as f64 / fit.containers as f64;
    catalogue.product::<Pcs>(&id).unwrap().value.spec().scaled(share)
}

/// One container of two clusters for a minute: clusters connected, contacts welded.
fn connect(mut plant: PlantSpec, pcs: PcsSpec) -> (usize, usize) {
    plant.container.clusters = 2;
    plant.container.converter = pcs.converter;
    plant.container.dc_bus = pcs.dc_bus;
    plant.container.grid = pcs.grid;
    let spec = SiteSpec {
        id: "one".into(),
        stations: vec![StationSpec {
            id: "one".into(),
            count: 1,
            containers_per_station: 1,
            plant,
        }],
        poi_kv: 35.0,
        power_limit_w: 1e5,
        energy_limit_wh: 1e5,
    };
    let mut site = Site::new(&spec, &InitialState::default(), 1, Duration::from_millis(10)).unwrap();
    for _ in 0..60 {
        site.advance();
    }
    let welded = site
        .drain_events()
        .filter(|(_, event)| event.point == "welded")
        .count();
    (site.figures().clusters_connected, welded)
}

#[test]
fn clusters_connect_to_all_that_fits() {
    let catalogue = Catalogue::shipped();
    for id in ["liq-20ft-1267", "air-45ft-1254"] {
        let plant = catalogue.plant(id, None).unwrap();
        let fits = catalogue.fitting(&catalogue.rating(id, None).unwrap()).unwrap();
        assert!(fits.len() > 5, "{fits:?}");
        for fit in fits {
            let found = connect(plant.clone(), pcs(&catalogue, &fit));
            assert_eq!(found, (2, 0), "clusters and welds of {id} on {fit:?}");
        }
    }
}

/// Voltage of a link after a precharge of `seconds` through a resistor, per unit of the cluster's.
fn precharged(link: &DcBusSpec, ohm: f64, seconds: f64) -> f64 {
    let bleeder_ohm = link.bleeder_kohm * 1e3;
    let parallel_ohm = bleeder_ohm * ohm / (bleeder_ohm + ohm);
    let tau_s = link.capacitance_mf * 1e-3 * parallel_ohm;
    parallel_ohm / ohm * (1.0 - libm::exp(-seconds / tau_s))
}

/// The cluster controllers of the shipped products want 97 % within 10 s, whatever stands on the container, and the
/// resistor takes it.
#[test]
fn a_link_is_precharged_in_time() {
    let catalogue = Catalogue::shipped();
    for id in catalogue.ids(Kind::Container) {
        let plant = catalogue.plant(id, None).unwrap();
        let hv_box = plant.container.hv_box;
        let rating = catalogue.rating(id, None).unwrap();
        let own = [plant.container.dc_bus];
        let fits = catalogue.fitting(&rating).unwrap();
        let links = fits.iter().map(|fit| pcs(&catalogue, fit).dc_bus);
        for link in own.into_iter().chain(links) {
            let share = precharged(&link, hv_box.precharge_ohm, 10.0);
            assert!(share > 0.972, "{id}, {link:?}: {share}");
            let heat_j = 0.5e-3 * link.capacitance_mf * rating.window_v[1].powi(2);
            assert!(
                heat_j < 0.7 * hv_box.precharge_trip_j,
                "{id}, {link:?}: {heat_j} J"
            );
        }
    }
}

/// 5 to 20 mF/MW, and safe to touch after 5 min (assumptions of the sources).
#[test]
fn a_link_has_its_size_and_is_empty_in_time() {
    let catalogue = Catalogue::shipped();
    for id in catalogue.ids(Kind::Pcs) {
        let pcs = catalogue.product::<Pcs>(id).unwrap().value;
        let link = pcs.dc_bus;
        let mf_per_mw = link.capacitance_mf / (pcs.converter.rated_va / 1e6);
        assert!((4.999..20.0).contains(&mf_per_mw), "{id}: {mf_per_mw} mF/MW");
        let left_v = 1500.0 * libm::exp(-300.0 / (link.capacitance_mf * link.bleeder_kohm));
        assert!(left_v < 60.0, "{id}: {left_v} V");
    }
}
