//! Which salons are proposed for the words of an application.

use borodach::geography;
use borodach::yclients::{CompanyId, Salon, suggest};

fn salons() -> Vec<Salon> {
    let salon = |(id, (title, city, address)): (usize, (&str, &str, &str))| Salon {
        id: CompanyId(i64::try_from(id).unwrap() + 1),
        title: title.to_owned(),
        public_title: None,
        city: Some(city.to_owned()),
        address: Some(address.to_owned()),
        time_zone: None,
        is_active: None,
    };
    let all = [
        ("BORODACH, Казань, ТЦ «Кольцо»", "Казань", "Петербургская, 1"),
        ("BORODACH, Казань, Баумана", "Казань", "Баумана, 5"),
        ("BORODACH, Уфа, ТЦ «Мир»", "Уфа", "Ленина, 5"),
        ("BORODACH, Пермь, ТЦ «Семья»", "Пермь", "Революции, 13"),
        ("BORODACH, Королёв", "Королёв", "Ленина, 12"),
        ("BORODACH, Щёлково, ТРЦ «Кольцо», Баумана", "Щёлково", "Баумана, 10"),
    ];
    all.into_iter().enumerate().map(salon).collect()
}

#[track_caller]
fn check(words: &str, expected: &[i64]) {
    let salons = salons();
    let found: Vec<i64> =
        suggest(&salons, &geography::shipped().towns, words, 6).iter().map(|salon| salon.id.0).collect();
    assert_eq!(found, expected, "{words}");
}

#[test]
fn a_salon_is_known_by_some_of_its_words() {
    check("Казань, ТЦ Кольцо", &[1]);
    check("барбершоп бородач в Казани на Баумана", &[2]);
    check("казань", &[1, 2]);
    check("Королев", &[5]);
    check("ул. Ленина 12, г. Королёв", &[5]);
    check("торговый центр Семья", &[4]);
}

#[test]
fn a_town_that_is_named_leaves_other_towns_out() {
    check("Казань, ТЦ Кольцо; Казань, ул. Баумана, 10", &[1, 2]);
    check("ТЦ Кольцо на Баумана", &[6, 1, 2]);
}

#[test]
fn words_that_every_salon_has_do_not_choose() {
    check("borodach пермь", &[4]);
    check("Тверь", &[]);
    check("", &[]);
}
