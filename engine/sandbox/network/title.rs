//! How salons are called: by many hands, in many years, so no two alike.

use super::dice::Dice;
use super::places::City;

const STREETS: [&str; 24] = [
    "ул. Ленина",
    "пр-т Мира",
    "ул. Советская",
    "ул. Гагарина",
    "ул. Кирова",
    "ул. Пушкина",
    "пр. Победы",
    "ул. Карла Маркса",
    "ул. 50 лет Октября",
    "Комсомольский проспект",
    "ул. Баумана",
    "наб. реки Фонтанки",
    "ул. Чехова",
    "б-р Строителей",
    "ул. Академика Королёва",
    "ул. 8 Марта",
    "Московское ш.",
    "ул. Максима Горького",
    "пер. Почтовый",
    "ул. Розы Люксембург",
    "ул. Красная",
    "ул. Дзержинского",
    "ул. Героев-панфиловцев",
    "пл. Революции",
];

const MALLS: [&str; 16] = [
    "ТЦ «Кольцо»",
    "ТРЦ Мега",
    "ТЦ Галерея",
    "ТРК \"Планета\"",
    "ТЦ Европа",
    "ТРЦ «Июнь»",
    "ТЦ Аура",
    "ТЦ Столица",
    "ТРЦ «Макси»",
    "ТЦ Рио",
    "ТЦ Сити-Молл",
    "ТРК Континент",
    "ТЦ «Фестиваль»",
    "ТРЦ Ривьера",
    "ТЦ Парус",
    "ЖК Северный",
];

/// A street with a house.
pub(super) fn address(dice: &mut Dice) -> String {
    let street = *dice.pick(&STREETS);
    let house = dice.between(1, 160);
    let tail = *dice.pick(&["", "", "", "", "А", "к1", "/2", " стр. 3", ", корп. 2"]);
    format!("{street}, {house}{tail}")
}

/// What stands in the lists: town and place in every order, with every dash there is.
pub(super) fn title(city: &City, number: usize, address: &str, dice: &mut Dice) -> String {
    let brand =
        *dice.pick(&["BORODACH", "BORODACH", "BORODACH", "Бородач", "Borodach", "Барбершоп BORODACH"]);
    let part = city.parts.get(number % city.parts.len().max(1)).copied();
    let place = match (part, dice.below(10)) {
        (Some(part), 0..7) => part.to_owned(),
        (_, 0..4) => (*dice.pick(&MALLS)).to_owned(),
        _ => address.to_owned(),
    };
    let town = match dice.below(12) {
        0 if !city.name.contains(['.', ' ']) => format!("г. {}", city.name),
        1 if !city.name.contains(['.', ' ']) => format!("г.{}", city.name),
        _ => city.name.to_owned(),
    };
    match dice.below(10) {
        0..3 => format!("{brand}, {town}, {place}"),
        3 => format!("{brand} {town} - {place}"),
        4 => format!("{brand} — {town}, {place}"),
        5 => format!("{brand} | {town} | {place}"),
        6 => format!("{town}, {place} ({brand})"),
        7 => format!("{brand} {town} – {place}"),
        8 => format!("{brand}. {town},{place}"),
        _ => format!("{town}: {brand}, {place} "),
    }
}
