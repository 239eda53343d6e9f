//! A figure by month: one's own barbershops beside the averages of the city, of cities alike and of the network.

use serde::{Deserialize, Serialize};

use super::Error;
use super::canvas::{Anchor, Canvas, EDGE, FAINT, INK, OWN, RULE, TOP, Type, WIDTH, width};
use super::figure::{Scale, Unit};

/// Lines over months.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Year {
    /// The heading.
    pub title: String,
    /// Whose figures, over which time.
    #[serde(default)]
    pub subtitle: String,
    /// What the figures count.
    pub unit: Unit,
    /// Names of the months, the oldest first: `дек`, `янв`.
    pub months: Vec<String>,
    /// One to six lines.
    pub lines: Vec<Line>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// What the legend calls it.
    pub name: String,
    /// A figure a month; `None` where it is not known.
    pub points: Vec<Option<f64>>,
    /// Whether it belongs to whoever looks; such lines stand out, and their last figure is written out.
    #[serde(default)]
    pub own: bool,
}

const MOST_LINES: usize = 6;
const MOST_MONTHS: usize = 24;
const PLOT: f32 = 560.0;
const LEGEND: f32 = 56.0;
/// From the beginning of an entry of the legend to its name.
const SAMPLE: f32 = 84.0;
/// From a name to its figure.
const GAP: f32 = 14.0;
/// From one entry to the next.
const BETWEEN: f32 = 48.0;
const NAME: Type = Type::plain(32.0).color(INK);
const FIGURE: Type = Type::plain(32.0).bold();
const LEFT: f32 = EDGE + 120.0;
const RIGHT: f32 = WIDTH - EDGE - 40.0;

/// Colours and dashes of the lines of others: told apart without colours, too.
const OTHERS: [(&str, &str); 6] = [
    ("#2f6db3", ""),
    ("#5b8a3c", "18 12"),
    ("#6d6a75", "4 12"),
    ("#8a4fa0", "26 10 4 10"),
    ("#2a8c8c", "10 8"),
    ("#a8892b", "2 8"),
];
const OWNS: [&str; 6] = [OWN, "#8f1d14", "#e0902f", "#7a3e12", "#d4553a", "#a06a00"];

impl Year {
    pub(super) fn draw(&self) -> Result<Canvas, Error> {
        let (low, high) = self.range()?;
        let Scale { bottom, top, marks } = Scale::of(low, high);
        let legend = self.legend();
        let rows = legend.last().map_or(0, |entry| entry.row) + 1;
        let legend_top = TOP + PLOT + 96.0;
        let height = legend_top + rows_height(rows) + EDGE / 2.0;
        let mut canvas = Canvas::new(height, &self.title, &self.subtitle);
        let to_y = |value: f64| TOP + PLOT * narrow(1.0 - (value - bottom) / (top - bottom));
        for &mark in &marks {
            let y = to_y(mark);
            canvas.rule(LEFT, RIGHT, y, RULE);
            let look = Type::plain(30.0).color(FAINT).anchor(Anchor::End);
            canvas.text(LEFT - 18.0, y + 11.0, &self.unit.short(mark), look);
        }
        let to_x = |month: usize| LEFT + (RIGHT - LEFT) * share(month, self.months.len());
        self.months(&mut canvas, &to_x);
        // One's own lines come last: they lie above the others.
        let (own, others): (Vec<_>, Vec<_>) = looks(&self.lines).into_iter().partition(|look| look.line.own);
        for look in others.iter().chain(&own) {
            look.draw(&mut canvas, &to_x, &to_y);
        }
        for (entry, look) in legend.iter().zip(self::looks(&self.lines)) {
            let y = legend_top + rows_height(entry.row);
            look.sample(&mut canvas, entry.x, y);
            canvas.text(entry.x + SAMPLE, y + 11.0, &entry.name, NAME);
            let x = entry.x + SAMPLE + width(&entry.name, NAME) + GAP;
            canvas.text(x, y + 11.0, &entry.figure, FIGURE.color(look.color));
        }
        Ok(canvas)
    }

    /// The lowest and highest figure, if the chart can be drawn; the scale of what cannot be negative begins at zero.
    pub(super) fn range(&self) -> Result<(f64, f64), Error> {
        let (months, lines) = (self.months.len(), self.lines.len());
        if months == 0 {
            return Err(Error::Empty("months"));
        }
        if lines == 0 {
            return Err(Error::Empty("lines"));
        }
        if months > MOST_MONTHS {
            return Err(Error::TooMany { what: "months", count: months, most: MOST_MONTHS });
        }
        if lines > MOST_LINES {
            return Err(Error::TooMany { what: "lines", count: lines, most: MOST_LINES });
        }
        for line in &self.lines {
            if line.points.len() != months {
                let (name, points) = (line.name.clone(), line.points.len());
                return Err(Error::Uneven { name, points, months });
            }
            if line.points.iter().flatten().any(|point| !point.is_finite()) {
                return Err(Error::NotFinite(line.name.clone()));
            }
        }
        let known = || self.lines.iter().flat_map(|line| line.points.iter().flatten().copied());
        if known().next().is_none() {
            return Err(Error::Empty("known figures"));
        }
        Ok((known().fold(0.0, f64::min), known().fold(0.0, f64::max)))
    }

    /// The names of the months under the scale, every second one when they do not fit.
    fn months(&self, canvas: &mut Canvas, to_x: &impl Fn(usize) -> f32) {
        let look = Type::plain(30.0).color(FAINT).anchor(Anchor::Middle);
        let widest = self.months.iter().map(|name| width(name, look)).fold(0.0, f32::max);
        let fits = to_x(1.min(self.months.len() - 1)) - to_x(0) >= widest + 12.0;
        let every = if fits || self.months.len() == 1 { 1 } else { 2 };
        let last = self.months.len() - 1;
        for (month, name) in self.months.iter().enumerate() {
            if (last - month).is_multiple_of(every) {
                canvas.text(to_x(month), TOP + PLOT + 48.0, name, look);
            }
        }
    }

    /// Names side by side as long as they fit, then in the next row. One's own lines have their latest figure there,
    /// where it hides no line.
    fn legend(&self) -> Vec<Entry> {
        let (mut x, mut row) = (EDGE, 0);
        let mut entries = Vec::new();
        for line in &self.lines {
            let latest = line.points.iter().rev().find_map(|point| *point).filter(|_| line.own);
            let figure = latest.map_or_else(String::new, |latest| self.unit.whole(latest));
            let after_name = GAP + width(&figure, FIGURE);
            let name = super::canvas::cut(&line.name, WIDTH - 2.0 * EDGE - SAMPLE - after_name, NAME);
            let wide = SAMPLE + width(&name, NAME) + after_name + BETWEEN;
            if x > EDGE && x + wide > WIDTH - EDGE + BETWEEN {
                (x, row) = (EDGE, row + 1);
            }
            entries.push(Entry { name, figure, x, row });
            x += wide;
        }
        entries
    }
}

/// A line with its colour and dash.
struct Look<'a> {
    line: &'a Line,
    color: &'static str,
    dash: &'static str,
}

fn looks(lines: &[Line]) -> Vec<Look<'_>> {
    let (mut owns, mut others) = (OWNS.iter(), OTHERS.iter());
    let mut look =
        |line: &Line| if line.own { owns.next().map(|&color| (color, "")) } else { others.next().copied() };
    let look = |line| look(line).map(|(color, dash)| Look { line, color, dash });
    lines.iter().filter_map(look).collect()
}

impl Look<'_> {
    fn width(&self) -> f32 {
        if self.line.own { 9.0 } else { 5.0 }
    }

    /// The line, broken where a month is not known; a month alone is a dot.
    fn draw(&self, canvas: &mut Canvas, to_x: &impl Fn(usize) -> f32, to_y: &impl Fn(f64) -> f32) {
        let months: Vec<_> = self.line.points.iter().enumerate().collect();
        for run in months.split(|(_, point)| point.is_none()) {
            let place = |&(month, point): &(usize, &Option<f64>)| Some((to_x(month), to_y((*point)?)));
            let points: Vec<_> = run.iter().filter_map(place).collect();
            canvas.polyline(&points, self.color, self.width(), self.dash);
            if let ([alone], _) | ([.., alone], true) = (points.as_slice(), self.line.own) {
                canvas.dot(alone.0, alone.1, self.width() + 3.0, self.color);
            }
        }
    }

    fn sample(&self, canvas: &mut Canvas, x: f32, y: f32) {
        canvas.polyline(&[(x, y), (x + 64.0, y)], self.color, self.width(), self.dash);
    }
}

/// Where a line's name and figure stand in the legend.
struct Entry {
    name: String,
    figure: String,
    x: f32,
    row: usize,
}

#[expect(clippy::cast_precision_loss, reason = "a legend has six rows at most")]
fn rows_height(rows: usize) -> f32 {
    rows as f32 * LEGEND
}

/// Where month `number` of `count` stands, from 0 to 1.
#[expect(clippy::cast_precision_loss, reason = "there are two dozen months at most")]
fn share(number: usize, count: usize) -> f32 {
    if count > 1 { number as f32 / (count - 1) as f32 } else { 0.5 }
}

/// A share of the plot: pixels need no more precision.
#[expect(clippy::cast_possible_truncation, reason = "a share from 0 to 1")]
fn narrow(share: f64) -> f32 {
    share as f32
}
