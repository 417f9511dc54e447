//! Supply of the container's own needs.
//!
//! Modelled: a UPS that feeds controls, coil supply, pack fans and the explosion-vent fan when the grid is gone, and is
//! charged when it is there; an empty UPS takes the coil supply, and with it every contactor. Cooling and HVAC hang on the
//! mains. Not modelled: the devices' own supplies, losses of the UPS, its ageing.

use crate::spec::AuxiliarySpec;

#[derive(Clone, Debug)]
pub(crate) struct Auxiliary {
    spec: AuxiliarySpec,
    /// Energy in the UPS, J.
    stored_j: f64,
    /// Power into the UPS, W.
    charger_w: f64,
    /// Controls and fans are fed.
    pub(crate) supplied: bool,
}

impl Auxiliary {
    pub(crate) fn new(spec: &AuxiliarySpec) -> Self {
        Self {
            spec: spec.clone(),
            stored_j: spec.ups_wh * 3600.0,
            charger_w: 0.0,
            supplied: true,
        }
    }

    /// One slow cycle with what the fans take. Returns whether the supply has come or gone.
    pub(crate) fn step(&mut self, dt_s: f64, mains: bool, fans_w: f64) -> bool {
        let full_j = self.spec.ups_wh * 3600.0;
        self.charger_w = 0.0;
        if mains {
            if self.stored_j < full_j {
                let room_w = (full_j - self.stored_j) / dt_s;
                self.charger_w = self.spec.ups_charger_w.min(room_w);
                self.stored_j += self.charger_w * dt_s;
            }
        } else if self.supplied {
            self.stored_j = (self.stored_j - (self.spec.controls_w + fans_w) * dt_s).max(0.0);
        }
        let supplied = mains || self.stored_j > 0.0;
        core::mem::replace(&mut self.supplied, supplied) != supplied
    }

    /// Power of controls, W; ends up as heat in the container.
    pub(crate) fn controls_w(&self) -> f64 {
        if self.supplied { self.spec.controls_w } else { 0.0 }
    }

    /// Power into the UPS, W.
    pub(crate) fn charger_w(&self) -> f64 {
        self.charger_w
    }

    /// Energy in the UPS, Wh.
    pub(crate) fn ups_wh(&self) -> f64 {
        self.stored_j / 3600.0
    }
}
