//! Charts are drawn with the bot's own fonts, whatever they are given; what cannot be shown is refused.

use std::collections::HashSet;

use borodach::chart::{Change, Chart, Days, Error, Line, Pair, Rating, Row, Scale, Unit, Year, draw};
use borodach::sandbox::telegram::Content;
use proptest::prelude::{prop_assert, proptest};
use resvg::tiny_skia::Pixmap;
use serde_json::json;

use crate::desk::{ANNA, Desk};

fn picture(chart: &Chart) -> Pixmap {
    let png = draw(chart).expect("the chart can be drawn");
    Pixmap::decode_png(&png).expect("a PNG")
}

/// How many pixels have this colour in the rows from `top` to `bottom`.
fn count(picture: &Pixmap, color: (u8, u8, u8), top: u32, bottom: u32) -> usize {
    let width = picture.width() as usize;
    let rows = picture.pixels().chunks(width).skip(top as usize).take((bottom - top) as usize);
    rows.flatten().filter(|pixel| (pixel.red(), pixel.green(), pixel.blue()) == color).count()
}

fn place(place: u32, name: &str, own: bool) -> Row {
    let value = "1\u{a0}834\u{a0}750\u{a0}₽".to_owned();
    Row::Place { place, name: name.to_owned(), value, change: Change(Some(1)), own }
}

fn rating(rows: Vec<Row>) -> Chart {
    Chart::Rating(Rating { title: "Рейтинг".to_owned(), subtitle: "ноябрь".to_owned(), rows })
}

fn year(points: Vec<Option<f64>>) -> Chart {
    let months = points.iter().map(|_| "ноя".to_owned()).collect();
    let line = Line { name: "Казань".to_owned(), points, own: true };
    let (title, subtitle) = ("Выручка".to_owned(), String::new());
    Chart::Year(Year { title, subtitle, unit: Unit::Roubles, months, lines: vec![line] })
}

#[test]
fn the_same_chart_gives_the_same_bytes() {
    let chart = year(vec![Some(1.0), None, Some(3.0)]);
    assert_eq!(draw(&chart), draw(&chart));
    assert_ne!(draw(&chart), draw(&year(vec![Some(1.0), None, Some(4.0)])));
}

#[test]
fn cyrillic_and_the_rouble_are_drawn_without_any_font_of_the_system() {
    const INK: (u8, u8, u8) = (0x1f, 0x1c, 0x1a);
    let with = picture(&rating(vec![place(7, "Ёжъщ №₽", false)]));
    let without = picture(&rating(vec![place(7, "", false)]));
    let (top, bottom) = (196, 196 + 84);
    assert!(count(&with, INK, top, bottom) > count(&without, INK, top, bottom) + 100);
}

#[test]
fn own_barbershops_stand_on_a_bed_of_their_own() {
    const BED: (u8, u8, u8) = (0xfd, 0xee, 0xdd);
    let picture = picture(&rating(vec![place(1, "Тула", false), place(2, "Уфа", true)]));
    assert_eq!(count(&picture, BED, 196, 196 + 84), 0);
    assert!(count(&picture, BED, 196 + 84, 196 + 168) > 50_000);
}

#[test]
fn the_longest_names_stay_within_their_column() {
    let name =
        "BORODACH Ростов-на-Дону, рабочий посёлок Красный Бор, торговый центр «Пушкинский», вход со двора";
    let mut colors = HashSet::new();
    let picture = picture(&rating(vec![place(12, name, false)]));
    let width = picture.width() as usize;
    for row in picture.pixels().chunks(width).skip(200).take(76) {
        colors.extend(row[775..840].iter().map(|pixel| (pixel.red(), pixel.green(), pixel.blue())));
    }
    assert_eq!(colors.len(), 1, "something is drawn between the names and the figures");
}

#[test]
fn markup_and_signs_nobody_can_draw_do_no_harm() {
    for name in [
        "<b>Уфа</b> & \"Ко\"",
        "]]>",
        "Тула 🎉👨‍👩‍👧",
        "\u{0}\u{7}\n",
        "",
        "ОченьДлинноеСловоБезПробелов".repeat(9).as_str(),
    ] {
        picture(&rating(vec![place(1, name, true)]));
    }
}

#[test]
fn a_year_without_figures_above_zero_still_has_a_scale() {
    let flat = picture(&year(vec![Some(0.0)]));
    assert_eq!((flat.width(), flat.height() > 800), (1280, true));
    picture(&year(vec![Some(-3_000.0), None, Some(12_345_678.9)]));
}

proptest! {
    #[test]
    fn the_figures_fill_three_quarters_of_the_plot(
        digits in 1.0..10.0_f64, power in 0..11_i32, below in proptest::option::of(0.0..2.0_f64),
    ) {
        let high = digits * 10_f64.powi(power);
        let low = below.map_or(0.0, |part| -part * high);
        let Scale { bottom, top, marks } = Scale::of(low, high);
        prop_assert!(bottom <= low && high < top, "{bottom}..{top} for {low}..{high}");
        prop_assert!((high - low) / (top - bottom) >= 0.75, "{bottom}..{top} for {low}..{high}");
        prop_assert!((2..=7).contains(&marks.len()), "{marks:?} for {low}..{high}");
        prop_assert!(marks.contains(&0.0) && marks.iter().all(|mark| (bottom..=top).contains(mark)), "{marks:?}");
        let step = marks[1] - marks[0];
        let first = step / 10_f64.powf(step.log10().floor());
        prop_assert!([1.0, 2.0, 2.5, 5.0, 10.0].iter().any(|round| (first - round).abs() < 1e-6), "{marks:?}");
        prop_assert!(step >= 1.0 - 1e-9, "{marks:?}");
    }
}

#[test]
fn figures_on_both_sides_of_zero_have_marks_beside_it() {
    assert_eq!(Scale::of(-3.2, 3.9).marks, [-2.0, 0.0, 2.0, 4.0]);
}

#[test]
fn the_highest_month_stands_in_the_upper_quarter_of_the_picture() {
    const OWN: (u8, u8, u8) = (0xc9, 0x60, 0x1a);
    for high in [1.0, 7.0, 101.0, 1_010_000.0, 2_010_000.0, 5_100_000.0] {
        // The latest figure is written out far below.
        let picture = picture(&year(vec![Some(high), Some(0.0), Some(0.0)]));
        assert!(count(&picture, OWN, 196, 196 + 560 / 4) > 0, "{high}");
    }
}

#[test]
fn what_cannot_be_shown_is_refused() {
    #[track_caller]
    fn check(chart: &Chart, error: &Error) {
        assert_eq!(draw(chart).as_ref(), Err(error));
    }
    check(&rating(Vec::new()), &Error::Empty("rows"));
    let many = (1..=41).map(|number| place(number, "Тула", false)).collect();
    check(&rating(many), &Error::TooMany { what: "rows", count: 41, most: 40 });
    check(&year(Vec::new()), &Error::Empty("months"));
    check(&year(vec![None, None]), &Error::Empty("known figures"));
    check(&year(vec![Some(f64::NAN)]), &Error::NotFinite("Казань".to_owned()));
    let mut uneven = year(vec![Some(1.0)]);
    if let Chart::Year(year) = &mut uneven {
        year.months.clear();
        year.months.extend(["окт".to_owned(), "ноя".to_owned()]);
    }
    check(&uneven, &Error::Uneven { name: "Казань".to_owned(), points: 1, months: 2 });
    let pair =
        Pair { name: "Выручка".to_owned(), unit: Unit::Roubles, now: f64::INFINITY, before: 1.0 };
    let (title, subtitle) = (String::new(), String::new());
    let (now, before) = ("Сегодня".to_owned(), "Вчера".to_owned());
    let days = Days { title, subtitle, now, before, pairs: vec![pair] };
    check(&Chart::Days(days), &Error::NotFinite("Выручка".to_owned()));
}

#[test]
fn a_chart_is_read_from_what_a_script_gives() {
    let given = json!({
        "kind": "rating", "title": "Рейтинг",
        "rows": [{ "place": 1, "name": "Тула", "value": "1 ₽" }, {}],
    });
    let chart: Chart = serde_json::from_value(given).expect("a chart");
    let row = Row::Place {
        place: 1,
        name: "Тула".to_owned(),
        value: "1 ₽".to_owned(),
        change: Change(None),
        own: false,
    };
    assert_eq!(
        chart,
        Chart::Rating(Rating {
            title: "Рейтинг".to_owned(),
            subtitle: String::new(),
            rows: vec![row, Row::Gap {}]
        })
    );
}

#[test]
fn figures_read_as_people_write_them() {
    #[track_caller]
    fn check(unit: Unit, value: f64, whole: &str, short: &str) {
        assert_eq!(
            (unit.whole(value).replace('\u{a0}', " "), unit.short(value).replace('\u{a0}', " ")),
            (whole.to_owned(), short.to_owned())
        );
    }
    check(Unit::Roubles, 1_234_567.4, "1 234 567 ₽", "1,2 млн");
    check(Unit::Roubles, 0.0, "0 ₽", "0");
    check(Unit::Roubles, -350_000.0, "−350 000 ₽", "−350 тыс");
    check(Unit::Count, 612.0, "612", "612");
    check(Unit::Count, 9_999.0, "9 999", "9 999");
    check(Unit::Percent, 61.0, "61 %", "61 %");
}

#[tokio::test]
async fn a_chart_said_by_a_flow_arrives_as_a_picture_with_its_caption() {
    let desk = Desk::start_flow(
        r#"chat.chart(#{ kind: "year", title: "Выручка", unit: "roubles", months: ["окт", "ноя"],
            lines: [#{ name: "Казань", points: [1000.0, 1200.0], own: true }] }, "За два <месяца>");"#,
    )
    .await;
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.hears("За два <месяца>").await;
    assert!(matches!(anna.last().content, Content::Photo(_)), "{:?}", anna.last().content);
}

#[tokio::test]
async fn a_chart_that_cannot_be_drawn_never_leaves_the_script() {
    let desk = Desk::start_flow(
        r#"try { chat.chart(#{ kind: "rating", title: "Рейтинг", rows: [] }, "!"); } catch (why) { chat.say(why); }"#,
    )
    .await;
    let anna = desk.talks(ANNA);
    anna.writes("/go");
    anna.hears("chat.chart: в графике пусто: rows").await;
}
