//! What is looked at and how: shared by panels and scene.

/// What cells are coloured by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quantity {
    /// Mean temperature, °C.
    #[default]
    Temperature,
    /// Temperature against the mean of its cluster, K.
    TemperatureDeviation,
    /// Terminal voltage, V.
    Voltage,
    /// Terminal voltage against the mean of its cluster, mV.
    VoltageDeviation,
    /// State of charge, %.
    Soc,
    /// Current of its cluster, A.
    Current,
    /// Whether its bleed resistor or balancer is on.
    Balancing,
    /// Worst alarm that concerns it.
    Alarm,
}

impl Quantity {
    /// All of them, in the order of a menu.
    pub const ALL: [Self; 8] = [
        Self::Temperature,
        Self::TemperatureDeviation,
        Self::Voltage,
        Self::VoltageDeviation,
        Self::Soc,
        Self::Current,
        Self::Balancing,
        Self::Alarm,
    ];

    /// As it is written on the command line.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Temperature => "temperature",
            Self::TemperatureDeviation => "temperature-deviation",
            Self::Voltage => "voltage",
            Self::VoltageDeviation => "voltage-deviation",
            Self::Soc => "soc",
            Self::Current => "current",
            Self::Balancing => "balancing",
            Self::Alarm => "alarm",
        }
    }
}

/// A screen layout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// Everything an operator needs.
    #[default]
    Operator,
    /// With the means to inject faults, and plant truth.
    Instructor,
    /// Large picture and captions.
    Demo,
    /// For pictures that are compared: nothing flashes or moves by itself.
    Ci,
}

impl Layout {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Operator, Self::Instructor, Self::Demo, Self::Ci];

    /// As it is written on the command line.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Instructor => "instructor",
            Self::Demo => "demo",
            Self::Ci => "ci",
        }
    }
}

/// What the lower region of the screen shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tab {
    /// Lanes, arrows and one trend.
    #[default]
    Timeline,
    /// Chosen points over time.
    Plots,
    /// Cause, effect, latency, limit, margin, source.
    Effects,
    /// Commands to the rig.
    Control,
}

impl Tab {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Timeline, Self::Plots, Self::Effects, Self::Control];

    /// As it is written on the command line, and on its button.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Timeline => "timeline",
            Self::Plots => "plots",
            Self::Effects => "effects",
            Self::Control => "control",
        }
    }
}

/// A rectangle on the screen, logical pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Area {
    /// Left edge.
    pub x: f32,
    /// Upper edge.
    pub y: f32,
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
}

/// What is looked at and how. Panels and scene both read and write it.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "window", derive(bevy::prelude::Resource))]
pub struct View {
    /// Tag that is selected: a device, container, cluster, pack or cell.
    pub selected: Option<String>,
    /// Number of the container that is shown with its cells, told by the scene.
    pub opened: Option<usize>,
    /// Tag under the pointer in the scene, with the pointer's place.
    pub hovered: Option<String>,
    /// What cells are coloured by.
    pub quantity: Quantity,
    /// Range of the colours follows the values; else the fixed range of the quantity.
    pub automatic_range: bool,
    /// Saved view 1 to 9; panels ask for one, the scene takes the wish.
    pub wanted_camera: Option<u8>,
    /// Tag to fly to; panels ask, the scene takes the wish.
    pub fly_to: Option<String>,
    /// Name of the present camera, told by the scene.
    pub camera_name: String,
    /// The flat cell map is shown in place of the scene.
    pub cell_map: bool,
    /// The camera goes where something happens.
    pub follow: bool,
    /// Pulls packs apart, 0 to 1.
    pub explode: f32,
    /// Screen layout.
    pub layout: Layout,
    /// What the lower region shows.
    pub tab: Tab,
    /// Points that are plotted: tag, with `plant:` in front for truth, and name.
    pub plotted: Vec<(String, String)>,
    /// Where the scene is to be drawn, told by the panels. What egui calls points are these divided by its zoom factor.
    pub viewport: Area,
}
