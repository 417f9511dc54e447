//! Line charts as inline SVG.

use plotters::prelude::*;

/// A curve's points, x and y.
pub type Points = Vec<(f64, f64)>;

/// A chart of one or more curves over a common axis.
#[derive(Clone, Debug, Default)]
pub struct Chart {
    /// For people.
    pub title: String,
    /// Horizontal axis with its unit.
    pub x: String,
    /// Vertical axis with its unit.
    pub y: String,
    /// The curves.
    pub curves: Vec<Curve>,
    /// Ranges of the figures: drawn behind the curves.
    pub bands: Vec<Band>,
}

/// A curve.
#[derive(Clone, Debug)]
pub struct Curve {
    /// For the legend.
    pub name: String,
    /// x and y.
    pub points: Points,
}

/// An expected range of the vertical axis.
#[derive(Clone, Debug)]
pub struct Band {
    /// For the legend.
    pub name: String,
    /// Lowest.
    pub low: f64,
    /// Highest.
    pub high: f64,
}

const SIZE: (u32, u32) = (760, 300);
const COLOURS: [RGBColor; 6] = [
    RGBColor(0x1a, 0x5f, 0xa8),
    RGBColor(0xd0, 0x5a, 0x0c),
    RGBColor(0x7a, 0x3f, 0xa8),
    RGBColor(0x0b, 0x7d, 0x7d),
    RGBColor(0xb0, 0x24, 0x4e),
    RGBColor(0x5b, 0x6b, 0x7b),
];
const BAND: RGBColor = RGBColor(0x2f, 0xa0, 0x5f);
/// A picture 700 pixels wide shows no more.
const MOST_POINTS: usize = 700;

impl Chart {
    pub(crate) fn new(title: &str, x: &str, y: &str) -> Self {
        Self {
            title: title.into(),
            x: x.into(),
            y: y.into(),
            ..Self::default()
        }
    }

    #[must_use]
    pub(crate) fn curve(mut self, name: impl Into<String>, points: Points) -> Self {
        self.curves.push(Curve {
            name: name.into(),
            points,
        });
        self
    }

    #[must_use]
    pub(crate) fn band(mut self, name: impl Into<String>, low: f64, high: f64) -> Self {
        self.bands.push(Band {
            name: name.into(),
            low,
            high,
        });
        self
    }

    /// Legend entries: name and colour.
    pub(crate) fn legend(&self) -> Vec<(&str, String)> {
        let colour = |RGBColor(r, g, b): RGBColor| format!("#{r:02x}{g:02x}{b:02x}");
        self.curves
            .iter()
            .zip(COLOURS.iter().cycle())
            .map(|(curve, &c)| (curve.name.as_str(), colour(c)))
            .chain(
                self.bands
                    .iter()
                    .map(|band| (band.name.as_str(), format!("{}44", colour(BAND)))),
            )
            .collect()
    }

    /// The picture, without title and legend.
    pub(crate) fn svg(&self) -> Result<String, String> {
        let (x, y) = (
            extent(self.curves.iter().flat_map(|c| c.points.iter().map(|p| p.0)), 0.0),
            extent(
                self.curves
                    .iter()
                    .flat_map(|c| c.points.iter().map(|p| p.1))
                    .chain(self.bands.iter().flat_map(|b| [b.low, b.high])),
                0.05,
            ),
        );
        let mut svg = String::new();
        self.draw(&mut svg, x, y)
            .map_err(|error| format!("chart `{}`: {error}", self.title))?;
        // a picture that scales with the page
        let (width, height) = SIZE;
        Ok(svg.replacen(
            &format!("width=\"{width}\" height=\"{height}\""),
            "width=\"100%\"",
            1,
        ))
    }

    fn draw(
        &self,
        svg: &mut String,
        x: (f64, f64),
        y: (f64, f64),
    ) -> Result<(), Box<dyn core::error::Error>> {
        let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin(6)
            .margin_right(14)
            .x_label_area_size(46)
            .y_label_area_size(70)
            .build_cartesian_2d(x.0..x.1, y.0..y.1)?;
        chart
            .configure_mesh()
            .x_desc(&self.x)
            .y_desc(&self.y)
            .bold_line_style(RGBColor(0xd5, 0xdd, 0xe5))
            .light_line_style(TRANSPARENT)
            .axis_style(RGBColor(0x9a, 0xa8, 0xb5))
            .label_style(("sans-serif", 16, &RGBColor(0x3b, 0x4a, 0x59)))
            .x_labels(8)
            .y_labels(6)
            .x_label_formatter(&|x| crate::claim::Figure(*x).to_string())
            .y_label_formatter(&|y| crate::claim::Figure(*y).to_string())
            .draw()?;
        for band in &self.bands {
            chart.draw_series(core::iter::once(Rectangle::new(
                [(x.0, band.low), (x.1, band.high)],
                BAND.mix(0.18).filled(),
            )))?;
        }
        for (curve, &colour) in self.curves.iter().zip(COLOURS.iter().cycle()) {
            chart.draw_series(LineSeries::new(thinned(&curve.points), colour.stroke_width(2)))?;
        }
        root.present()?;
        Ok(())
    }
}

/// Lowest and highest with a margin; never empty.
fn extent(values: impl Iterator<Item = f64>, margin: f64) -> (f64, f64) {
    let (low, high) = values
        .filter(|v| v.is_finite())
        .fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
    if low > high {
        return (0.0, 1.0);
    }
    let span = if high > low {
        high - low
    } else {
        low.abs().max(1.0)
    };
    (
        low - margin * span,
        high + if high > low { margin * span } else { span },
    )
}

/// Every so manieth point, and the last.
fn thinned(points: &[(f64, f64)]) -> Points {
    let every = points.len().div_ceil(MOST_POINTS).max(1);
    let mut kept: Vec<_> = points.iter().copied().step_by(every).collect();
    if let Some(&last) = points.last()
        && kept.last() != Some(&last)
    {
        kept.push(last);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_is_one_svg_and_the_same_each_time() {
        let chart = Chart::new("Voltage", "time, s", "V")
            .curve("model", vec![(0.0, 3.2), (1.0, 3.3)])
            .band("published", 3.1, 3.25);
        let svg = chart.svg();
        assert!(
            svg.as_ref()
                .is_ok_and(|svg| svg.starts_with("<svg") && svg.contains("time, s"))
        );
        assert_eq!(svg, chart.svg());
        assert!(Chart::new("empty", "x", "y").svg().is_ok());
    }

    #[test]
    fn long_curves_are_thinned_to_what_shows() {
        let points: Vec<_> = (0..10_000).map(|k| (f64::from(k), 0.0)).collect();
        let kept = thinned(&points);
        assert!(kept.len() <= MOST_POINTS + 1 && kept.last() == points.last());
    }
}
