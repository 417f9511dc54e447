//! Fans of air-cooled packs.
//!
//! Modelled: one exhaust fan per pack that draws container air through the gaps between the cells and blows it back; a
//! first-order lag from duty to speed, flow in proportion to speed, power with its cube, natural draught when it stands; a
//! tacho; a blocked rotor. Power and heat of the pack end up in the container air.
//! Not modelled: fan curve against a dirty filter, one pack's exhaust drawn in by another.
//! Constants: cell-and-thermal §6.

use crate::spec::AirflowSpec;

#[derive(Clone, Debug)]
pub(crate) struct PackFans {
    spec: AirflowSpec,
    /// Commanded duty by pack, 0 to 1.
    pub(crate) duty: Vec<f64>,
    /// Speed by pack, share of full.
    speed: Vec<f64>,
    /// Rotor held.
    pub(crate) blocked: Vec<bool>,
    /// Electrical power of all, W.
    pub(crate) electrical_w: f64,
    /// Electrical energy of all, J.
    pub(crate) electrical_j: f64,
}

impl PackFans {
    pub(crate) fn new(spec: &AirflowSpec, packs: usize) -> Self {
        Self {
            spec: spec.clone(),
            duty: vec![0.0; packs],
            speed: vec![0.0; packs],
            blocked: vec![false; packs],
            electrical_w: 0.0,
            electrical_j: 0.0,
        }
    }

    /// One slow cycle; without supply the fans run down.
    pub(crate) fn step(&mut self, dt_s: f64, supplied: bool) {
        let follow = -libm::expm1(-dt_s / self.spec.fan_s);
        let mut cubes = 0.0;
        for ((speed, &duty), &blocked) in self.speed.iter_mut().zip(&self.duty).zip(&self.blocked) {
            let wanted = if supplied { duty } else { 0.0 };
            *speed = if blocked {
                0.0
            } else {
                *speed + (wanted - *speed) * follow
            };
            cubes += *speed * *speed * *speed;
        }
        self.electrical_w = self.spec.fan_w * cubes;
        self.electrical_j += self.electrical_w * dt_s;
    }

    /// Flow through a pack, share of the flow at full speed.
    pub(crate) fn flow(&self, pack: usize) -> f64 {
        self.speed[pack].max(self.spec.draught_m3_per_h / self.spec.flow_m3_per_h)
    }

    /// Flow through a pack, m³/h.
    pub(crate) fn flow_m3_per_h(&self, pack: usize) -> f64 {
        self.flow(pack) * self.spec.flow_m3_per_h
    }

    /// What the tacho counts, rpm.
    pub(crate) fn rpm(&self, pack: usize) -> f64 {
        self.speed[pack] * self.spec.fan_rpm
    }
}
