//! Pictures of a run: throughput and latency over time as an SVG, and a page that shows all of a folder's with their
//! figures. Both open from disk, in any browser, without a network.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use plotters::coord::Shift;
use plotters::prelude::*;

use super::report::{Report, Round};
use super::series::Series;
use crate::conditions::Conditions;

const SIZE: (u32, u32) = (960, 680);
/// Update apart by those who see no red or green, too.
const BLUE_LINE: RGBColor = RGBColor(0, 114, 178);
const ORANGE_LINE: RGBColor = RGBColor(213, 94, 0);
const GREEN_LINE: RGBColor = RGBColor(0, 158, 115);
const PURPLE_LINE: RGBColor = RGBColor(204, 121, 167);
const FONT: &str = "sans-serif";

/// One line of a panel: seconds since the start, and a value.
struct Line {
    name: &'static str,
    color: RGBColor,
    points: Vec<(f64, f64)>,
}

/// How heights are to be read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scale {
    /// From zero, so that heights compare.
    Linear,
    /// Each power of ten is as high as the next: a p50 and a p99 are a hundred times apart, and both matter.
    Log,
}

type Panel<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws the last round into `folder` as `NAME.svg`, and the page anew.
pub(super) fn draw(folder: &Path, name: &str, report: &Report, conditions: &Conditions) -> Result<()> {
    let round = report.rounds.last().context("no round was played")?;
    fs::create_dir_all(folder)?;
    fs::write(folder.join(format!("{name}.svg")), svg(name, round)?)?;
    // Beside each picture lies what is said of it, so that the page can be put together from the folder alone.
    let update = format!("{conditions}\n{report}");
    fs::write(folder.join(format!("{name}.txt")), update)?;
    fs::write(folder.join("index.html"), page(folder)?)?;
    Ok(())
}

/// Throughput above, latency below.
fn svg(name: &str, round: &Round) -> Result<String> {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let (above, below) = root.split_vertically(SIZE.1 / 2);
        let Series { window_s, .. } = round.series;
        let rate =
            |values: &[f64]| (0..).zip(values).map(|(at, value)| (middle(at, window_s), *value)).collect();
        let seen = |values: &[Option<f64>]| {
            (0..).zip(values).filter_map(|(at, value)| Some((middle(at, window_s), (*value)?))).collect()
        };
        let series = &round.series;
        let throughput = [
            Line { name: "accepted", color: BLUE_LINE, points: rate(&series.accepted_per_s) },
            Line { name: "settled", color: ORANGE_LINE, points: rate(&series.settled_per_s) },
        ];
        panel(&above, &format!("{name}: orders a second"), "orders/s", Scale::Linear, &throughput)?;
        let latency = [
            Line { name: "accept p50", color: BLUE_LINE, points: seen(&series.accept_p50_ms) },
            Line { name: "accept p99", color: GREEN_LINE, points: seen(&series.accept_p99_ms) },
            Line {
                name: "accepted to settled p50",
                color: ORANGE_LINE,
                points: seen(&series.settled_p50_ms),
            },
            Line {
                name: "accepted to settled p99",
                color: PURPLE_LINE,
                points: seen(&series.settled_p99_ms),
            },
        ];
        panel(
            &below,
            &format!("{name}: latency, by windows of {window_s:.2} s"),
            "ms",
            Scale::Log,
            &latency,
        )?;
        root.present()?;
    }
    Ok(text)
}

fn middle(window: u32, width: f64) -> f64 {
    (f64::from(window) + 0.5) * width
}

impl Scale {
    /// Where a value is drawn.
    fn height(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            // What is faster than a hundredth of a millisecond is drawn as that.
            Self::Log => value.max(0.01).log10(),
        }
    }

    /// The value that is drawn at a height.
    fn value(self, height: f64) -> f64 {
        match self {
            Self::Linear => height,
            Self::Log => 10_f64.powf(height),
        }
    }
}

/// As few digits as tell a value from its neighbours.
fn label(value: f64) -> String {
    let digits = if value < 1.0 { 2 } else { usize::from(value < 10.0) };
    format!("{value:.digits$}")
}

/// One panel. Lines that have no points are left out.
fn panel(area: &Panel<'_>, title: &str, unit: &str, scale: Scale, lines: &[Line]) -> Result<()> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let heights = || points().map(|point| scale.height(point.1));
    let right = points().map(|point| point.0).fold(1.0, f64::max);
    let (bottom, top) = match scale {
        Scale::Linear => (0.0, heights().fold(1.0, f64::max) * 1.08),
        Scale::Log => (heights().fold(0.0, f64::min).floor(), heights().fold(1.0, f64::max).ceil()),
    };
    let mut chart = ChartBuilder::on(area)
        .caption(title, (FONT, 18))
        .margin(12)
        .x_label_area_size(38)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..right, bottom..top)?;
    chart
        .configure_mesh()
        .x_desc("seconds since the start")
        .y_desc(unit)
        .y_label_formatter(&|height| label(scale.value(*height)))
        .label_style((FONT, 13))
        .light_line_style(WHITE)
        .draw()?;
    for Line { name, color, points } in lines.iter().filter(|line| !line.points.is_empty()) {
        let style = ShapeStyle { color: color.to_rgba(), filled: false, stroke_width: 2 };
        chart
            .draw_series(LineSeries::new(
                points.iter().map(|(at, value)| (*at, scale.height(*value))),
                style,
            ))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.2))
        .label_font((FONT, 13))
        .draw()?;
    Ok(())
}

/// A page with every picture of the folder, and what was measured with it.
fn page(folder: &Path) -> Result<String> {
    let mut names: Vec<String> = fs::read_dir(folder)?
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let is_picture = path.extension().is_some_and(|extension| extension == "svg");
            is_picture.then(|| path.file_stem()?.to_str().map(str::to_owned)).flatten()
        })
        .collect();
    names.sort();
    let mut page = String::from(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Holdfast, measured</title>\n\
         <style>body { font: 15px/1.5 sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }\n\
         img { max-width: 100%; border: 1px solid #ddd } pre { overflow-x: auto; background: #f6f6f6; padding: 1rem; \
         font-size: 12px }</style>\n<h1>Holdfast, measured</h1>\n\
         <p>One picture a scenario, of the last round of its run. Its figures and conditions stand below it.</p>\n",
    );
    for name in names {
        let update = fs::read_to_string(folder.join(format!("{name}.txt"))).unwrap_or_default();
        let name = escaped(&name);
        write!(
            page,
            "<h2>{name}</h2>\n<img src=\"{name}.svg\" alt=\"Throughput and latency of {name} over time\">\n\
             <pre>{}</pre>\n",
            escaped(&update)
        )?;
    }
    page.push_str("</html>\n");
    Ok(page)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_have_their_lines_their_legends_and_their_units() {
        let mut text = String::new();
        {
            let root = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
            let lines = [
                Line { name: "settled", color: BLUE_LINE, points: vec![(0.1, 900.0), (0.4, 1_200.0)] },
                Line { name: "empty", color: ORANGE_LINE, points: vec![] },
            ];
            panel(&root, "orders a second", "orders/s", Scale::Linear, &lines).expect("draws");
            root.present().expect("presents");
        }
        for expected in
            ["<svg", "orders a second", "orders/s", "seconds since the start", "settled", "#0072B2"]
        {
            assert!(text.contains(expected), "{expected} is not in {text}");
        }
        assert!(!text.contains("empty"));
    }

    #[test]
    fn a_height_means_its_value() {
        for scale in [Scale::Linear, Scale::Log] {
            for value in [0.02, 1.0, 950.0] {
                let read = scale.value(scale.height(value));
                assert!((read - value).abs() < value / 1e6, "{read} is not {value}");
            }
        }
        assert_eq!([0.316, 3.16, 316.2].map(label), ["0.32", "3.2", "316"]);
    }

    #[test]
    fn a_panel_of_nothing_is_drawn_all_the_same() {
        let mut text = String::new();
        let root = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        panel(&root, "nothing", "ms", Scale::Log, &[]).expect("draws");
    }

    #[test]
    fn the_page_shows_every_picture_of_its_folder() {
        let folder = tempfile::tempdir().expect("makes a folder");
        for name in ["steady", "mixed"] {
            fs::write(folder.path().join(format!("{name}.svg")), "<svg/>").expect("writes");
        }
        fs::write(folder.path().join("steady.txt"), "p50 < 3 ms").expect("writes");
        let page = page(folder.path()).expect("reads");
        let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} is not in {page}"));
        assert!(at("mixed.svg") < at("steady.svg"));
        at("p50 &lt; 3 ms");
    }
}
