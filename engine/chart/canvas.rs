//! A sheet of paper with a heading: shapes and texts go on it, a PNG comes off it.

use std::collections::HashMap;
use std::fmt::{Display, Write as _};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{self, fontdb};

/// The width of every picture, in pixels.
pub const WIDTH: f32 = 1280.0;
/// The space left free at the edges.
pub const EDGE: f32 = 56.0;
/// Where a chart begins under its heading.
pub const TOP: f32 = 196.0;

/// The one family that is loaded: text in any other would not be drawn at all.
const FAMILY: &str = "DejaVu Sans";

pub const INK: &str = "#1f1c1a";
pub const FAINT: &str = "#7a736c";
pub const RULE: &str = "#e6e1da";
pub const PAPER: &str = "#fbfaf8";
pub const OWN: &str = "#c9601a";
pub const OWN_BED: &str = "#fdeedd";
pub const RISE: &str = "#1c7c43";
pub const FALL: &str = "#b3261e";

static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(include_bytes!("font/DejaVuSans.ttf").to_vec());
    fonts.load_font_data(include_bytes!("font/DejaVuSans-Bold.ttf").to_vec());
    fonts.set_sans_serif_family(FAMILY);
    Arc::new(fonts)
});

/// How a text looks and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Type {
    /// Height of the letters in pixels; below 30 a phone cannot show it.
    pub size: f32,
    /// Whether it is bold.
    pub bold: bool,
    /// Its colour.
    pub color: &'static str,
    /// Which end of the text stands at the given place.
    pub anchor: Anchor,
}

/// Which end of a text stands at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// Its beginning.
    Start,
    /// Its middle.
    Middle,
    /// Its end.
    End,
}

impl Type {
    /// Plain text beginning at its place.
    pub const fn plain(size: f32) -> Type {
        Type { size, bold: false, color: INK, anchor: Anchor::Start }
    }

    /// The same in bold.
    pub const fn bold(self) -> Type {
        Type { bold: true, ..self }
    }

    /// The same in another colour.
    pub const fn color(self, color: &'static str) -> Type {
        Type { color, ..self }
    }

    /// The same with another end at its place.
    pub const fn anchor(self, anchor: Anchor) -> Type {
        Type { anchor, ..self }
    }
}

/// A picture in the making.
#[derive(Debug)]
pub struct Canvas {
    body: String,
    height: f32,
}

impl Canvas {
    /// A sheet of this height with its heading.
    pub fn new(height: f32, title: &str, subtitle: &str) -> Canvas {
        let mut canvas = Canvas { body: String::new(), height };
        canvas.rect(0.0, 0.0, WIDTH, height, 0.0, PAPER);
        canvas.rect(0.0, 0.0, WIDTH, 12.0, 0.0, OWN);
        let most = WIDTH - 2.0 * EDGE;
        canvas.text_within(EDGE, 92.0, most, title, Type::plain(50.0).bold());
        canvas.text_within(EDGE, 148.0, most, subtitle, Type::plain(34.0).color(FAINT));
        canvas
    }

    /// A filled rectangle with rounded corners.
    pub fn rect(&mut self, x: f32, y: f32, width: f32, height: f32, round: f32, fill: &str) {
        self.put(format_args!(
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" rx="{round}" fill="{fill}"/>"#
        ));
    }

    /// A straight line across, from `x1` to `x2`.
    pub fn rule(&mut self, x1: f32, x2: f32, y: f32, color: &str) {
        self.put(format_args!(
            r#"<path d="M{x1:.1} {y:.1}H{x2:.1}" stroke="{color}" stroke-width="2" fill="none"/>"#
        ));
    }

    /// A line through points; `dash` as SVG has it, empty for a whole one.
    pub fn polyline(&mut self, points: &[(f32, f32)], color: &str, width: f32, dash: &str) {
        let mut path = String::new();
        for (number, (x, y)) in points.iter().enumerate() {
            let command = if number == 0 { 'M' } else { 'L' };
            write!(path, "{command}{x:.1} {y:.1}").expect("a string takes everything");
        }
        self.put(format_args!(
            r#"<path d="{path}" fill="none" stroke="{color}" stroke-width="{width}" stroke-dasharray="{dash}" stroke-linejoin="round" stroke-linecap="round"/>"#
        ));
    }

    /// A filled circle.
    pub fn dot(&mut self, x: f32, y: f32, radius: f32, fill: &str) {
        self.put(format_args!(r#"<circle cx="{x:.1}" cy="{y:.1}" r="{radius}" fill="{fill}"/>"#));
    }

    /// A text on one line; `y` is its base line.
    pub fn text(&mut self, x: f32, y: f32, text: &str, look: Type) {
        self.put(format_args!("{}", element(x, y, text, look)));
    }

    /// The same, cut with an ellipsis when it is wider than `width`.
    pub fn text_within(&mut self, x: f32, y: f32, width: f32, text: &str, look: Type) {
        let text = cut(text, width, look);
        self.text(x, y, &text, look);
    }

    /// Draws everything.
    pub fn into_png(self) -> Vec<u8> {
        let Canvas { body, height } = self;
        let tree = parse(&body, height);
        let size = tree.size().to_int_size();
        let mut pixels = Pixmap::new(size.width(), size.height()).expect("a sheet is larger than nothing");
        resvg::render(&tree, Transform::identity(), &mut pixels.as_mut());
        pixels.encode_png().expect("memory takes everything")
    }

    fn put(&mut self, element: impl Display) {
        write!(self.body, "{element}").expect("a string takes everything");
    }
}

/// Shortens a text to `width` pixels: whole words as long as it can, then an ellipsis.
pub fn cut(text: &str, width: f32, look: Type) -> String {
    if self::width(text, look) <= width {
        return text.to_owned();
    }
    let mut kept: String = text.to_owned();
    while kept.pop().is_some() {
        let shown = format!("{}…", kept.trim_end_matches([' ', ',', '.', '-', '–', '—']));
        if self::width(&shown, look) <= width {
            return shown;
        }
    }
    "…".to_owned()
}

/// A text in two: as many whole words as fit into `width`, and the rest.
pub fn halves(text: &str, width: f32, look: Type) -> (&str, &str) {
    let ends = text.match_indices(' ').map(|(at, _)| at).chain([text.len()]);
    let fits = ends.take_while(|&end| self::width(&text[..end], look) <= width).last();
    let (first, rest) = text.split_at(fits.unwrap_or(text.len()));
    (first, rest.trim_start())
}

/// The width of a text in pixels: the sum of its letters' advances, kerning not counted.
pub fn width(text: &str, look: Type) -> f32 {
    static ADVANCES: LazyLock<Mutex<HashMap<(char, bool), f32>>> = LazyLock::new(Mutex::default);
    let mut advances = ADVANCES.lock().unwrap_or_else(PoisonError::into_inner);
    let em: f32 = text
        .chars()
        .map(|letter| *advances.entry((letter, look.bold)).or_insert_with(|| advance(letter, look.bold)))
        .sum();
    em * look.size
}

/// A letter's advance in parts of the font's size, measured between two fences.
fn advance(letter: char, bold: bool) -> f32 {
    const SIZE: f32 = 100.0;
    let look = Type { bold, ..Type::plain(SIZE) };
    let extent = |text: &str| {
        let tree = parse(&element(0.0, SIZE, text, look), 2.0 * SIZE);
        tree.root().abs_bounding_box().width()
    };
    ((extent(&format!("|{letter}|")) - extent("||")) / SIZE).max(0.0)
}

fn element(x: f32, y: f32, text: &str, look: Type) -> String {
    let weight = if look.bold { 700 } else { 400 };
    let anchor = match look.anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    format!(
        r#"<text x="{x:.1}" y="{y:.1}" font-family="{FAMILY}" font-size="{}" font-weight="{weight}" fill="{}" text-anchor="{anchor}" xml:space="preserve">{}</text>"#,
        look.size,
        look.color,
        escaped(text)
    )
}

/// A text as XML takes it; what the fonts cannot draw, such as emoji, is left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars().filter(|&letter| is_drawable(letter)) {
        match letter {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            _ => escaped.push(letter),
        }
    }
    escaped
}

fn is_drawable(letter: char) -> bool {
    !letter.is_control() && matches!(letter as u32, 0x20..0x2400)
}

fn parse(body: &str, height: f32) -> usvg::Tree {
    let svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}">{body}</svg>"#
    );
    let options = usvg::Options {
        fontdb: Arc::clone(&FONTS),
        font_family: FAMILY.to_owned(),
        ..usvg::Options::default()
    };
    usvg::Tree::from_str(&svg, &options).expect("the markup is written here, its texts are escaped")
}
