//! Who was alive and who was stone, as a picture.

use std::path::Path;

use gargoyle::BoxError;
use plotters::prelude::*;

/// How it was at a moment.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    /// Since the beginning.
    pub(crate) seconds: f64,
    pub(crate) live: u64,
    /// How many there are, alive or stone.
    pub(crate) known: u64,
}

impl Sample {
    pub(crate) fn stone(&self) -> u64 {
        self.known.saturating_sub(self.live)
    }
}

const SIZE: (u32, u32) = (800, 480);

/// Draws two curves over time, one above the other: they differ by some hundred times, and share no axis.
pub(crate) fn draw(file: &Path, samples: &[Sample]) -> Result<(), BoxError> {
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let (above, below) = area.split_vertically(SIZE.1 / 2);
    curve(&above, "thermostats of stone", samples, Sample::stone, RGBColor(110, 110, 120))?;
    curve(&below, "thermostats that are alive", samples, |sample| sample.live, RGBColor(190, 90, 40))?;
    Ok(area.present()?)
}

fn curve(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    caption: &str,
    samples: &[Sample],
    value: impl Fn(&Sample) -> u64,
    color: RGBColor,
) -> Result<(), BoxError> {
    let end = samples.last().map_or(1.0, |last| last.seconds).max(0.1);
    let most = samples.iter().map(&value).max().unwrap_or(0).max(1);
    let mut chart = ChartBuilder::on(area)
        .caption(caption, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(28)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..end, 0..most + most / 10 + 1)?;
    chart.configure_mesh().x_desc("seconds").light_line_style(WHITE).draw()?;
    let points = samples.iter().map(|sample| (sample.seconds, value(sample)));
    chart.draw_series(AreaSeries::new(points, 0, color.mix(0.25)).border_style(color))?;
    Ok(())
}
