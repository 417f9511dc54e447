//! How a BCU comes to be: built from its product and wiring, and started when its supply comes.

use core::time::Duration;

use bess_types::SimTime;

use super::bau_link::BauLink;
use super::box_io::BoxIo;
use super::estimate::{Limiter, RiseWatch, SocCounter};
use super::nodes::Nodes;
use super::points::{BcuTable, CLUSTERS};
use super::sequence::{Quirks, Sequence};
use super::settings::BcuSettings;
use super::{Bcu, BcuConfig, CLUSTER_ADDRESS, STACK_ADDRESS};
use crate::addressing::chain::ChainMaster;
use crate::addressing::j1939::{ClaimMaster, name_of_bcu, name_of_bmu};
use crate::addressing::lss::LssMaster;
use crate::addressing::{self, Addressing, Master, MasterPoints};
use crate::codec::can::CanPort;
use crate::controller::{Supply, Tick, Watch};
use crate::defects::Defect;
use crate::library::Library;
use crate::outbox::Outbox;
use crate::product::ProductError;
use crate::protection::{AlarmBoard, AlarmId, AlarmTable};
use crate::{PointTable, Points};

impl Bcu {
    /// Builds a BCU in its power-up state; it starts with its first input.
    ///
    /// # Errors
    /// If a product is unknown or does not fit: other kinds, missing points, or another number of packs.
    pub fn new(config: &BcuConfig, library: &Library) -> Result<Self, ProductError> {
        let product = &config.product;
        let mut settings: BcuSettings = product.settings()?;
        if config.bmus.len() != settings.packs {
            return Err(product.invalid_setting(
                "packs",
                &format!("the rig gives this cluster {} BMUs", config.bmus.len()),
                "use a BCU product for that number of packs",
            ));
        }
        if !(1..=CLUSTERS).contains(&usize::from(config.cluster)) {
            return Err(product.invalid_setting(
                "cluster",
                &format!("cluster {} has no address on the stack bus", config.cluster),
                "number the clusters 1 to 20",
            ));
        }
        if config.defect == Some(Defect::WrongThreshold) {
            raise_faults(&mut settings.alarms);
        }
        let gives_addresses = product.can_port(addressing::PORT).is_ok();
        let (point_table, table) = BcuTable::build(&settings, gives_addresses);
        let master = master(config, &settings, library, (&point_table, table.addressing))?;
        let compile = |port, node| CanPort::compile(product, port, library, &point_table, node);
        let cluster_port = compile("cluster", CLUSTER_ADDRESS)?;
        let stack_port = compile("stack", STACK_ADDRESS + config.cluster)?;

        let nodes = Nodes::new(config, &settings, library)?;
        let io = BoxIo::new(config, &settings, library)?;
        let noted = [
            "state",
            "alarm-level",
            "first-alarm",
            "blocking",
            "request",
            "breaker-trip",
        ]
        .into_iter()
        .chain(["coil-main-positive", "coil-main-negative", "coil-precharge"])
        .chain(["bau-online", "io-online", "hv-unit-online"])
        .chain([
            "addressing-state",
            "addressing-failed-position",
            "addressing-duplicate-id",
        ])
        .chain(AlarmId::ALL.map(AlarmId::point));
        let watch = Watch::new(&point_table, noted);
        let quirks = quirks(config.defect);
        let balance_command = cluster_port.message_with(table.single.balance_target);
        let never_falls = config.defect == Some(Defect::StuckLimits);
        Ok(Self {
            cluster: usize::from(config.cluster) - 1,
            stored_soc_pct: config.stored_soc_pct,
            defect: config.defect,
            points: Points::new(point_table.into()),
            table,
            watch,
            outbox: Outbox::default(),
            supply: Supply::ColdStart,
            counters_frozen: false,
            master,
            addressed: true,
            balance_command,
            cluster_port,
            stack_port,
            bmu_addresses: config.bmus.iter().map(|bmu| bmu.address).collect(),
            nodes,
            io,
            bau: BauLink::default(),
            tick: Tick::new(settings.evaluation_s),
            survey: Tick::new(1.0),
            balancing: Tick::new(settings.balancing.period_s),
            now: SimTime::ZERO,
            started: SimTime::ZERO,
            alarms: AlarmBoard::new(&settings.alarms, settings.clear_hold_s),
            soc: SocCounter::new(settings.soc.clone(), settings.capacity_ah, config.stored_soc_pct),
            limiter: Limiter::new(
                settings.limits.clone(),
                [settings.rated_charge_a, settings.rated_discharge_a],
                never_falls,
            ),
            rise: RiseWatch::new(settings.packs, settings.rise_window_s),
            sequence: Sequence::new(settings.contactors, quirks, SimTime::ZERO),
            settings,
        })
    }

    /// Power-up: everything volatile is as new; the state of charge is remembered.
    pub(super) fn start(&mut self, now: SimTime) {
        let settings = &self.settings;
        self.supply = Supply::On;
        self.started = now;
        self.points = Points::new(self.points.table().clone());
        self.nodes.restart(now);
        self.alarms = AlarmBoard::new(&settings.alarms, settings.clear_hold_s);
        self.soc = SocCounter::new(settings.soc.clone(), settings.capacity_ah, self.stored_soc_pct);
        self.limiter.drop_to_zero();
        self.rise = RiseWatch::new(settings.packs, settings.rise_window_s);
        self.sequence = Sequence::new(settings.contactors, quirks(self.defect), now);
        self.bau = BauLink::default();
        for tick in [&mut self.tick, &mut self.survey, &mut self.balancing] {
            tick.start(now);
        }
        self.io.restart(now);
        self.cluster_port.start(now);
        self.stack_port.start(now);
        let single = self.table.single;
        self.points.set(single.soh, self.settings.soh_pct);
        self.points.set(single.fan, 0.0);
        self.points.set_flag(single.balance_enable, false);
        self.points.set(single.charge_limit, 0.0);
        self.points.set(single.discharge_limit, 0.0);
        self.points.set(single.request, 0.0);
        self.publish_alarms();
        self.publish_sequence();
        if let Some(master) = &mut self.master {
            master.start(now, &mut self.points);
        }
        self.follow_master(now);
    }
}

/// What gives the BMUs their addresses, where they are not fixed.
fn master(
    config: &BcuConfig,
    settings: &BcuSettings,
    library: &Library,
    (table, ids): (&PointTable, Option<MasterPoints>),
) -> Result<Option<Box<dyn Master>>, ProductError> {
    let product = &config.product;
    if settings.addressing == Addressing::Fixed {
        return Ok(None);
    }
    let ids = ids.ok_or_else(|| {
        product.invalid_setting(
            "addressing",
            "the product has no CAN port `addressing`",
            "inherit it from bcu-396s, or leave addresses fixed",
        )
    })?;
    let serials = &config.serials;
    Ok(Some(match settings.addressing {
        Addressing::Lss => Box::new(LssMaster::new(ids, serials)),
        Addressing::J1939 => {
            settings.j1939.check(product)?;
            let mut names = Vec::new();
            for (bmu, serial) in config.bmus.iter().zip(serials) {
                let bmu = crate::bmu::Settings::of(&bmu.product)?;
                names.push(name_of_bmu(&bmu.j1939, *serial));
            }
            Box::new(ClaimMaster::new(ids, name_of_bcu(&settings.j1939), &names))
        }
        Addressing::Fixed | Addressing::EnableChain => {
            Box::new(ChainMaster::new(product, library, table, ids, serials)?)
        }
    }))
}

fn quirks(defect: Option<Defect>) -> Quirks {
    Quirks {
        ignores_coil_supply: defect == Some(Defect::IgnoredEstop),
        skips_precharge: defect == Some(Defect::NoPrecharge),
        ignores_gap: defect == Some(Defect::ClosesOntoVoltageGap),
        late_by: if defect == Some(Defect::LateTrip) {
            Duration::from_secs(3)
        } else {
            Duration::ZERO
        },
    }
}

/// [`Defect::WrongThreshold`].
fn raise_faults(alarms: &mut AlarmTable) {
    for (id, by) in [(AlarmId::Cov, 0.15), (AlarmId::Cht, 15.0)] {
        if let Some(fault) = alarms.get_mut(&id).and_then(|alarm| alarm.fault.as_mut()) {
            fault.set += by;
        }
    }
}
