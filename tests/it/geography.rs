//! Where barbershops are, by what people have called them.

use std::sync::{Arc, LazyLock};

use borodach::clock::ManualClock;
use borodach::clock::Timestamp;
use borodach::geography::{Place, Towns};
use borodach::store::{DatabaseUrl, Settings, Store};

/// What the table of a new database has.
static TOWNS: LazyLock<Arc<Towns>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let url = DatabaseUrl::Sqlite(folder.path().join("towns.db"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime for the test");
    runtime.block_on(async {
        let settings = Settings { url, ..Settings::default() };
        let store = Store::open(&settings, ManualClock::new(Timestamp(0))).await.expect("a new database");
        let towns = store.towns().await.expect("the table is readable");
        store.close().await;
        towns
    })
});

#[track_caller]
fn found(title: &str, city: Option<&str>, address: Option<&str>) -> Place {
    TOWNS.place(title, city, address).unwrap_or_else(|| panic!("nothing is found of «{title}»"))
}

/// A title alone leads to a city and a region.
#[track_caller]
fn check(title: &str, city: &str, region: &str) {
    let place = found(title, None, None);
    assert_eq!((place.city.as_str(), place.region.as_deref()), (city, Some(region)), "«{title}»");
}

#[test]
fn the_brand_stands_anywhere_and_is_written_anyhow() {
    check("BORODACH Казань", "Казань", "Татарстан");
    check("Казань BORODACH", "Казань", "Татарстан");
    check("BORODACH, Казань, ТЦ «Кольцо»", "Казань", "Татарстан");
    check("Бородач Казань ул. Баумана 5", "Казань", "Татарстан");
    check("Казань, ул. Баумана, 44 (BORODACH)", "Казань", "Татарстан");
    check("Барбершоп BORODACH | Казань | Горки", "Казань", "Татарстан");
    check("Казань: BORODACH, ТРЦ Мега", "Казань", "Татарстан");
    check("BORODACH. Казань,ТЦ Кольцо", "Казань", "Татарстан");
    check("BORODACH г.Казань", "Казань", "Татарстан");
    check("BORODACH, г. Казань, пр. Победы, 91", "Казань", "Татарстан");
    check("borodach КАЗАНЬ", "Казань", "Татарстан");
    check("«BORODACH» (Казань)", "Казань", "Татарстан");
    check("BORODACH Kazan", "Казань", "Татарстан");
}

#[test]
fn every_dash_there_is_divides_or_joins() {
    check("BORODACH - Уфа - Дёма", "Уфа", "Башкортостан");
    check("BORODACH – Уфа", "Уфа", "Башкортостан");
    check("BORODACH — Уфа, Сипайлово", "Уфа", "Башкортостан");
    check("BORODACH—Уфа", "Уфа", "Башкортостан");
    check("BORODACH −Уфа", "Уфа", "Башкортостан");
    check("BORODACH ‑ Уфа", "Уфа", "Башкортостан");
    check("BORODACH, Йошкар-Ола, ТЦ Аура", "Йошкар-Ола", "Марий Эл");
    check("BORODACH Йошкар–Ола", "Йошкар-Ола", "Марий Эл");
    check("BORODACH Йошкар Ола", "Йошкар-Ола", "Марий Эл");
    check("BORODACH Улан‑Удэ", "Улан-Удэ", "Бурятия");
    check("Ростов-на-Дону, Западный (BORODACH)", "Ростов-на-Дону", "Ростовская область");
    check("Ростов на Дону, ТРК \"Планета\"", "Ростов-на-Дону", "Ростовская область");
    check("BORODACH Ростов—на—Дону", "Ростов-на-Дону", "Ростовская область");
    check("BORODACH Комсомольск-на-Амуре", "Комсомольск-на-Амуре", "Хабаровский край");
    check("BORODACH Петропавловск-Камчатский", "Петропавловск-Камчатский", "Камчатский край");
    check("BORODACH, Южно-Сахалинск, ул. Ленина, 1", "Южно-Сахалинск", "Сахалинская область");
    check("BORODACH Каменск-Уральский - ТЦ Европа", "Каменск-Уральский", "Свердловская область");
}

#[test]
fn names_of_two_words_and_short_names_are_known() {
    check("BORODACH, Нижний Новгород, Автозавод", "Нижний Новгород", "Нижегородская область");
    check("BORODACH Н. Новгород, Мещера", "Нижний Новгород", "Нижегородская область");
    check("BORODACH Н.Новгород", "Нижний Новгород", "Нижегородская область");
    check("BORODACH Великий Новгород", "Великий Новгород", "Новгородская область");
    check("BORODACH, Набережные Челны, Новый город", "Набережные Челны", "Татарстан");
    check("BORODACH Наб. Челны", "Набережные Челны", "Татарстан");
    check("BORODACH Нижний Тагил", "Нижний Тагил", "Свердловская область");
    check("BORODACH, Старый Оскол, мкр. Солнечный", "Старый Оскол", "Белгородская область");
    check("BORODACH Минеральные Воды", "Минеральные Воды", "Ставропольский край");
    check("BORODACH Сергиев Посад", "Сергиев Посад", "Московская область");
    check("BORODACH Новый Уренгой", "Новый Уренгой", "ЯНАО");
    check("BORODACH СПб, Купчино", "Санкт-Петербург", "Санкт-Петербург");
    check("BORODACH С.-Петербург", "Санкт-Петербург", "Санкт-Петербург");
    check("BORODACH Санкт Петербург, м. Звёздная", "Санкт-Петербург", "Санкт-Петербург");
    check("BORODACH Екб, Уралмаш", "Екатеринбург", "Свердловская область");
    check("BORODACH Орел", "Орёл", "Орловская область");
    check("BORODACH Щелково", "Щёлково", "Московская область");
    check("BORODACH КОРОЛЁВ", "Королёв", "Московская область");
}

#[test]
fn parts_of_a_city_are_the_city_and_towns_beside_it_are_not() {
    check("BORODACH Южное Бутово", "Москва", "Москва");
    check("BORODACH, Москва, Бутово", "Москва", "Москва");
    check("BORODACH Бутово", "Москва", "Москва");
    check("BORODACH, Митино", "Москва", "Москва");
    check("BORODACH Тёплый Стан", "Москва", "Москва");
    check("BORODACH Зеленоград, к. 1824", "Москва", "Москва");
    check("BORODACH, посёлок Коммунарка, Скандинавия", "Москва", "Москва");
    check("BORODACH Чертаново Северное", "Москва", "Москва");
    check("Москва, Выхино (BORODACH)", "Москва", "Москва");
    check("BORODACH Химки", "Химки", "Московская область");
    check("BORODACH, Химки, Новогорск", "Химки", "Московская область");
    check("BORODACH, Московская обл., Химки", "Химки", "Московская область");
    check("BORODACH Балашиха, мкр. Железнодорожный", "Балашиха", "Московская область");
    check("BORODACH Люберцы", "Люберцы", "Московская область");
    check("BORODACH Парнас", "Санкт-Петербург", "Санкт-Петербург");
    check("BORODACH, Санкт-Петербург, Мурино", "Санкт-Петербург", "Санкт-Петербург");
    check("BORODACH Мурино", "Мурино", "Ленинградская область");
    check("BORODACH Кудрово, мкр. Новый Оккервиль", "Кудрово", "Ленинградская область");
    check("BORODACH Сочи, Адлер", "Сочи", "Краснодарский край");
    check("BORODACH Адлер", "Сочи", "Краснодарский край");
}

#[test]
fn settlements_and_namesakes_are_told_apart() {
    check("BORODACH р.п. Кольцово", "Кольцово", "Новосибирская область");
    check("BORODACH, р.п. Октябрьский", "Октябрьский", "Московская область");
    check("BORODACH, рп Октябрьский", "Октябрьский", "Московская область");
    check("BORODACH, пгт Октябрьский, Московская область", "Октябрьский", "Московская область");
    check("BORODACH Октябрьский", "Октябрьский", "Башкортостан");
    check("BORODACH г. Октябрьский", "Октябрьский", "Башкортостан");
    check("BORODACH посёлок Развилка", "Развилка", "Московская область");
    check("BORODACH пос. Развилка", "Развилка", "Московская область");
    check("BORODACH Железногорск", "Железногорск", "Курская область");
    check("BORODACH Железногорск, Красноярский край", "Железногорск", "Красноярский край");
    check("BORODACH Ростов, Ярославская обл.", "Ростов", "Ярославская область");
    check("BORODACH Благовещенск, Башкортостан", "Благовещенск", "Башкортостан");
    check("BORODACH Благовещенск", "Благовещенск", "Амурская область");
}

#[test]
fn streets_and_malls_are_no_towns() {
    check("BORODACH, Тюмень, ТЦ Москва", "Тюмень", "Тюменская область");
    check("BORODACH, ТЦ Казань, Уфа", "Уфа", "Башкортостан");
    check("BORODACH ул. Московская, Саратов", "Саратов", "Саратовская область");
    check("BORODACH, Московское ш., Самара", "Самара", "Самарская область");
    check("BORODACH, Воронеж, Московский проспект, 90", "Воронеж", "Воронежская область");
    check("BORODACH, пр-т Мира, Омск", "Омск", "Омская область");
    check("BORODACH Тула ул. Кирова", "Тула", "Тульская область");
    check("BORODACH, ул. Чехова, Таганрог", "Таганрог", "Ростовская область");
    check("BORODACH Пермь, ул. Максима Горького, 8", "Пермь", "Пермский край");
    assert_eq!(TOWNS.place("BORODACH, ТЦ Европа", None, None), None);
    assert_eq!(TOWNS.place("BORODACH", None, None), None);
}

#[test]
fn what_the_title_does_not_tell_the_service_and_the_address_do() {
    assert_eq!(found("BORODACH, ТЦ Москва", Some("Тюмень"), None).city, "Тюмень");
    assert_eq!(found("BORODACH, ТЦ Европа", Some("г. Курск"), None).city, "Курск");
    assert_eq!(found("BORODACH", None, Some("Липецкая обл., г. Елец, ул. Мира, 1")).city, "Елец");
    assert_eq!(found("BORODACH", None, Some("Россия, 420000, Казань, ул. Пушкина, 2")).city, "Казань");
    assert_eq!(found("BORODACH, Отрадное", Some("Москва"), None).city, "Москва");
    assert_eq!(found("BORODACH, Химки, ТЦ Мега", Some("Москва"), None).city, "Химки");
    let unknown = found("BORODACH", Some("Верхние Васюки"), Some("Тверская область, ул. Ленина"));
    assert_eq!(
        (unknown.city.as_str(), unknown.region.as_deref()),
        ("Верхние Васюки", Some("Тверская область"))
    );
}

#[test]
fn only_the_largest_cities_are_of_a_million() {
    for (title, is_million) in [
        ("BORODACH Москва", true),
        ("BORODACH Бутово", true),
        ("BORODACH Пермь", true),
        ("BORODACH Волгоград", true),
        ("BORODACH Воронеж", true),
        ("BORODACH Саратов", false),
        ("BORODACH Тольятти", false),
        ("BORODACH Химки", false),
    ] {
        assert_eq!(found(title, None, None).is_million, is_million, "{title}");
    }
}

#[test]
fn the_whole_network_of_the_desk_is_found_where_it_is() {
    let today = chrono::NaiveDate::from_ymd_opt(2026, 11, 25).expect("a day");
    for seed in 0..5 {
        let network = borodach::sandbox::network::Network::new(300, today, seed);
        for salon in network.salons() {
            // By the title alone, as whoever put it down happened to write it.
            let place = found(&salon.title, None, None);
            let known = found("", Some(salon.city), None);
            assert_eq!(place, known, "«{}» of {}", salon.title, salon.city);
        }
    }
}
