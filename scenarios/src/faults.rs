//! `bessrig faults`: the catalogue of link faults in words.

use bess_rig::fault::{CATALOGUE, Layer, Parameter, SHARE, Target};

use crate::suite::say;

/// Prints every fault.
pub(crate) fn list() {
    for kind in CATALOGUE {
        let mut text = format!("{} (hits a {})\n    {}\n", kind.name, kind.target, kind.about);
        for Parameter {
            name,
            unit,
            min,
            max,
            default,
            about,
        } in kind.parameters
        {
            let default = default.map_or_else(String::new, |value| format!(", {value} if not given"));
            let unit = if unit.is_empty() {
                String::new()
            } else {
                format!(" {unit}")
            };
            let line = format!("    {name:<8} {min} to {max}{unit}{default}: {about}\n");
            text.push_str(&line);
        }
        let target = match (kind.layer, kind.target) {
            (Layer::Modbus, _) => "container-01/chiller",
            (Layer::Can, Target::Bus) => "cluster-can-01",
            (Layer::Can | Layer::Addressing, _) => "container-01/cluster-01/pack-03/bmu",
        };
        say(&format!(
            "{text}    When fault {} hits {target} for 10 s\n",
            kind.name
        ));
    }
    say(&format!(
        "Numbers go between name and target, as in `When fault can-delay with by 20 and {SHARE} 0.5 hits ...`; every\n\
         fault but modbus-refuse, modbus-restart and bmu-... takes {SHARE}, 0 to 1: how many of the frames or requests it hits. `fault NAME of TARGET\n\
         ends` ends one early.\n\
         TARGET is a tag, a tag and a bus (TAG@BUS), or the name of a bus."
    ));
}
