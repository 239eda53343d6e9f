//! Places in the network: the first three, one's own barbershops and their neighbours.

use serde::{Deserialize, Serialize};

use super::Error;
use super::canvas::{
    Anchor, Canvas, EDGE, FAINT, FALL, INK, OWN, OWN_BED, RISE, RULE, TOP, Type, WIDTH, halves, width,
};

/// The rating of a month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rating {
    /// The heading.
    pub title: String,
    /// The month, how many barbershops there are.
    #[serde(default)]
    pub subtitle: String,
    /// From the first place down.
    pub rows: Vec<Row>,
}

/// A line of the rating.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Row {
    /// A barbershop in its place.
    Place {
        /// From 1.
        place: u32,
        /// Its name as people know it.
        name: String,
        /// What it is rated by, ready to be read: `1 234 567 ₽`.
        value: String,
        /// Against the month before.
        #[serde(default)]
        change: Change,
        /// Whether it belongs to whoever looks.
        #[serde(default)]
        own: bool,
    },
    /// Places left out.
    Gap {},
}

/// How a place changed: places gained (lost when negative), or nothing to compare with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Change(pub Option<i64>);

/// More would not be readable on a phone.
const MOST: usize = 40;
const ROW: f32 = 84.0;
const GAP: f32 = 52.0;
/// Gold, silver, bronze.
const MEDALS: [&str; 3] = ["#e2b13c", "#b9bec4", "#c98a56"];

impl Rating {
    pub(super) fn check(&self) -> Result<(), Error> {
        match self.rows.len() {
            0 => Err(Error::Empty("rows")),
            count if count > MOST => Err(Error::TooMany { what: "rows", count, most: MOST }),
            _ => Ok(()),
        }
    }

    pub(super) fn draw(&self) -> Result<Canvas, Error> {
        self.check()?;
        let height = TOP + self.rows.iter().map(Row::height).sum::<f32>() + EDGE / 2.0;
        let mut canvas = Canvas::new(height, &self.title, &self.subtitle);
        let mut y = TOP;
        for row in &self.rows {
            row.draw(&mut canvas, y);
            y += row.height();
        }
        Ok(canvas)
    }
}

impl Row {
    fn height(&self) -> f32 {
        match self {
            Row::Place { .. } => ROW,
            Row::Gap {} => GAP,
        }
    }

    fn draw(&self, canvas: &mut Canvas, y: f32) {
        let Row::Place { place, name, value, change, own } = self else {
            return canvas.text(
                EDGE + 44.0,
                y + 36.0,
                "···",
                Type::plain(44.0).color(FAINT).anchor(Anchor::Middle),
            );
        };
        if *own {
            canvas.rect(EDGE / 2.0, y + 4.0, WIDTH - EDGE, ROW - 8.0, 16.0, OWN_BED);
            canvas.rect(EDGE / 2.0, y + 4.0, 10.0, ROW - 8.0, 5.0, OWN);
        } else {
            canvas.rule(EDGE, WIDTH - EDGE, y + ROW, RULE);
        }
        let line = y + ROW / 2.0 + 13.0;
        let medal = usize::try_from(*place).ok().and_then(|place| MEDALS.get(place.wrapping_sub(1)));
        if let Some(medal) = medal {
            canvas.dot(EDGE + 44.0, y + ROW / 2.0, 32.0, medal);
        }
        let color = if medal.is_some() { INK } else { FAINT };
        let number = Type::plain(36.0).bold().color(color).anchor(Anchor::Middle);
        canvas.text(EDGE + 44.0, line, &place.to_string(), number);
        name_lines(canvas, y, name, *own);
        canvas.text_within(
            WIDTH - EDGE - 120.0,
            line,
            320.0,
            value,
            Type::plain(36.0).bold().anchor(Anchor::End),
        );
        let (sign, color) = match change.0 {
            None => ("нов.".to_owned(), OWN),
            Some(0) => ("—".to_owned(), FAINT),
            Some(gained @ 1..) => (format!("↑{gained}"), RISE),
            Some(lost) => (format!("↓{}", lost.unsigned_abs()), FALL),
        };
        canvas.text(WIDTH - EDGE, line, &sign, Type::plain(34.0).color(color).anchor(Anchor::End));
    }
}

/// A name on one line, or a long one in smaller letters on two.
fn name_lines(canvas: &mut Canvas, y: f32, name: &str, own: bool) {
    const ROOM: f32 = 606.0;
    let look = |size| if own { Type::plain(size).bold() } else { Type::plain(size) };
    let (large, small) = (look(36.0), look(30.0));
    if width(name, large) <= ROOM {
        return canvas.text(EDGE + 104.0, y + ROW / 2.0 + 13.0, name, large);
    }
    let (first, rest) = halves(name, ROOM, small);
    canvas.text_within(EDGE + 104.0, y + 37.0, ROOM, first, small);
    canvas.text_within(EDGE + 104.0, y + 71.0, ROOM, rest, small);
}
