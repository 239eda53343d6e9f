//! Pictures for the chat: the rating, a year in lines, a day beside the day before.
//!
//! A chart is data; drawing turns it into an SVG and that into a PNG of 1,280 pixels' width, opaque, so that it reads
//! the same in light and dark themes and on a phone. The fonts are inside the binary: a system without any draws the
//! same picture. Drawing is pure work of some tens of milliseconds: call [`draw`] where a thread may block.

mod canvas;
mod days;
mod figure;
mod rating;
mod year;

use serde::{Deserialize, Serialize};

pub use days::{Days, Pair};
pub use figure::{Scale, Unit};
pub use rating::{Change, Rating, Row};
pub use year::{Line, Year};

/// What can be drawn. As JSON: the fields of the chart and `kind`, one of `rating`, `year`, `days`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Chart {
    /// Places in the network.
    Rating(Rating),
    /// A figure by month, one's own beside averages.
    Year(Year),
    /// Figures of a day beside those of the day before.
    Days(Days),
}

/// Why a chart cannot be drawn.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// There is nothing to show.
    #[error("the chart has no {0}")]
    Empty(&'static str),
    /// More than a picture holds.
    #[error("the chart has {count} {what}, {most} at most are readable")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many were given.
        count: usize,
        /// How many fit.
        most: usize,
    },
    /// A line is longer or shorter than the row of months.
    #[error("the line «{name}» has {points} points for {months} months")]
    Uneven {
        /// The line.
        name: String,
        /// Its points.
        points: usize,
        /// The months given.
        months: usize,
    },
    /// A figure that is not a number.
    #[error("«{0}» holds a figure that is not finite")]
    NotFinite(String),
}

impl Chart {
    /// Whether it can be drawn; cheap.
    pub fn check(&self) -> Result<(), Error> {
        match self {
            Chart::Rating(rating) => rating.check(),
            Chart::Year(year) => year.range().map(drop),
            Chart::Days(days) => days.check(),
        }
    }
}

/// Draws a chart as a PNG. The same chart gives the same bytes.
pub fn draw(chart: &Chart) -> Result<Vec<u8>, Error> {
    let canvas = match chart {
        Chart::Rating(rating) => rating.draw()?,
        Chart::Year(year) => year.draw()?,
        Chart::Days(days) => days.draw()?,
    };
    Ok(canvas.into_png())
}
