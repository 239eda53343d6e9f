//! Figures of a day beside those of the day before.

use serde::{Deserialize, Serialize};

use super::Error;
use super::canvas::{Anchor, Canvas, EDGE, FAINT, FALL, INK, OWN, RISE, TOP, Type, WIDTH};
use super::figure::{Unit, growth};

/// A day and the day before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Days {
    /// The heading.
    pub title: String,
    /// Whose figures.
    #[serde(default)]
    pub subtitle: String,
    /// What the day is called: `Сегодня`.
    pub now: String,
    /// What the day before is called: `Вчера`.
    pub before: String,
    /// One to eight figures.
    pub pairs: Vec<Pair>,
}

/// One figure on both days.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// What is counted: `Выручка`.
    pub name: String,
    /// In what.
    pub unit: Unit,
    /// On the day.
    pub now: f64,
    /// On the day before.
    pub before: f64,
}

const MOST: usize = 8;
const ROW: f32 = 196.0;
const BAR: f32 = 44.0;
const BAR_LEFT: f32 = EDGE + 190.0;
/// The longest bar leaves room for its figure.
const BAR_MOST: f32 = WIDTH - EDGE - BAR_LEFT - 300.0;

impl Days {
    pub(super) fn check(&self) -> Result<(), Error> {
        match self.pairs.len() {
            0 => return Err(Error::Empty("pairs")),
            count if count > MOST => return Err(Error::TooMany { what: "pairs", count, most: MOST }),
            _ => {}
        }
        match self.pairs.iter().find(|pair| !pair.now.is_finite() || !pair.before.is_finite()) {
            Some(pair) => Err(Error::NotFinite(pair.name.clone())),
            None => Ok(()),
        }
    }

    pub(super) fn draw(&self) -> Result<Canvas, Error> {
        self.check()?;
        let height = TOP + self.pairs.iter().map(|_| ROW).sum::<f32>();
        let mut canvas = Canvas::new(height, &self.title, &self.subtitle);
        let mut y = TOP;
        for pair in &self.pairs {
            self.pair(&mut canvas, y, pair);
            y += ROW;
        }
        Ok(canvas)
    }

    fn pair(&self, canvas: &mut Canvas, y: f32, pair: &Pair) {
        canvas.text_within(EDGE, y + 32.0, 900.0, &pair.name, Type::plain(38.0).bold());
        if let Some((text, is_rise)) = growth(pair.now, pair.before) {
            let color = if is_rise { RISE } else { FALL };
            let look = Type::plain(38.0).bold().color(color).anchor(Anchor::End);
            canvas.text(WIDTH - EDGE, y + 32.0, &text, look);
        }
        let most = pair.now.max(pair.before).max(f64::MIN_POSITIVE);
        let bars = [(&self.now, pair.now, OWN, INK), (&self.before, pair.before, "#c9c3bb", FAINT)];
        let mut top = y + 54.0;
        for (day, value, color, ink) in bars {
            let long = bar(value / most).max(6.0);
            canvas.text_within(EDGE, top + 33.0, 180.0, day, Type::plain(32.0).color(FAINT));
            canvas.rect(BAR_LEFT, top, long, BAR, 8.0, color);
            let look = Type::plain(34.0).bold().color(ink);
            canvas.text(BAR_LEFT + long + 18.0, top + 34.0, &pair.unit.whole(value), look);
            top += BAR + 10.0;
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a share from 0 to 1 becomes pixels")]
fn bar(share: f64) -> f32 {
    share.clamp(0.0, 1.0) as f32 * BAR_MOST
}
