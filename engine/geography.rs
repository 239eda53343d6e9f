//! Where a barbershop is: its town, the region, and how large the town is, out of what people have called it.
//!
//! Titles are written by many hands: the brand in front or behind, with any dash there is, with the town, a part of it
//! or a mall. What is known of towns is data: the table `town`, filled from `geography/towns.tsv`; see
//! [`crate::store::Store::towns`]. The code knows how an address is written.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use sha2::{Digest as _, Sha256};

/// Where something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The town, as post knows it.
    pub city: String,
    /// The region; `None` for a town that we do not know and that tells of none.
    pub region: Option<String>,
    /// Whether more than a million people live there.
    pub is_million: bool,
}

/// A town with all its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Town {
    /// As post knows it.
    pub name: String,
    /// What it is called beside its name.
    pub kind: Kind,
    /// Its region.
    pub region: String,
    /// Whether more than a million people live there.
    pub is_million: bool,
    /// Other names: `Питер`.
    pub others: Vec<String>,
    /// Places in it that people name instead of it: `Купчино`.
    pub parts: Vec<String>,
}

/// What a town is called beside its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `г. Октябрьский`.
    Town,
    /// `р.п. Октябрьский`.
    Settlement,
}

/// What is known of towns.
#[derive(Debug)]
pub struct Towns {
    all: Vec<Town>,
    /// A name as words → what it may mean, in the order of the list.
    names: HashMap<Vec<String>, Vec<Meaning>>,
    /// The most words of a name.
    longest: usize,
}

/// The list that comes with the bot.
#[derive(Debug)]
pub struct Shipped {
    /// Of its text, in hexadecimal digits: another list has another.
    pub hash: String,
    /// The same, ready to be looked into.
    pub towns: Arc<Towns>,
}

/// What a name may mean.
#[derive(Clone, Copy, Debug)]
struct Meaning {
    town: usize,
    /// Whether it is a part of the town.
    is_part: bool,
}

/// The list that comes with the bot: what the table is filled from.
pub fn shipped() -> &'static Shipped {
    static SHIPPED: LazyLock<Shipped> = LazyLock::new(|| {
        const TEXT: &str = include_str!("geography/towns.tsv");
        let mut hash = String::new();
        for byte in Sha256::digest(TEXT) {
            write!(hash, "{byte:02x}").expect("a string takes everything");
        }
        Shipped { hash, towns: Arc::new(Towns::of(read(TEXT))) }
    });
    &SHIPPED
}

impl Towns {
    /// Of several towns of one name the first is meant, unless a region or a kind is told beside.
    pub fn of(all: Vec<Town>) -> Towns {
        let mut towns = Towns { all: Vec::new(), names: HashMap::new(), longest: 0 };
        for (number, town) in all.iter().enumerate() {
            let (itself, part) =
                (Meaning { town: number, is_part: false }, Meaning { town: number, is_part: true });
            towns.name(&town.name, itself);
            town.others.iter().for_each(|name| towns.name(name, itself));
            town.parts.iter().for_each(|name| towns.name(name, part));
        }
        Towns { all, ..towns }
    }

    /// The towns, in their order.
    pub fn all(&self) -> &[Town] {
        &self.all
    }

    /// Finds the place of a barbershop by its title, by the town that the service tells, and by its address.
    ///
    /// The title is believed first: the town is chosen from a list once, and a title is read by everybody. A town we do
    /// not know is taken as the service tells it.
    pub fn place(&self, title: &str, city: Option<&str>, address: Option<&str>) -> Option<Place> {
        let (city, address) = (city.unwrap_or_default(), address.unwrap_or_default());
        let told = Told::of(&[title, city, address]);
        let found = self
            .find(title, Depth::Plain, &told)
            .or_else(|| self.find(city, Depth::Plain, &told))
            .or_else(|| self.find(address, Depth::Plain, &told))
            .or_else(|| self.find(title, Depth::Buried, &told).filter(|_| city.trim().is_empty()));
        if let Some(town) = found {
            let (city, region) = (town.name.clone(), Some(town.region.clone()));
            return Some(Place { city, region, is_million: town.is_million });
        }
        let city = city.trim();
        (!city.is_empty()).then(|| Place {
            city: city.to_owned(),
            region: told.region(&self.all),
            is_million: false,
        })
    }

    fn name(&mut self, name: &str, meaning: Meaning) {
        let words = words(name);
        if !words.is_empty() {
            self.longest = self.longest.max(words.len());
            self.names.entry(words).or_default().push(meaning);
        }
    }

    fn find(&self, text: &str, depth: Depth, told: &Told) -> Option<&Town> {
        let best = segments(text)
            .enumerate()
            .flat_map(|(number, segment)| self.matches(number, &words(segment), depth, told))
            .min()?;
        Some(&self.all[best.town])
    }

    /// The names of towns in a segment.
    fn matches(&self, segment: usize, words: &[String], depth: Depth, told: &Told) -> Vec<Match> {
        let is = |word: &String, list: &[&str]| list.contains(&word.as_str());
        // The name of a street or a mall follows its kind; what stands before it may be the town.
        let plain = match depth {
            Depth::Plain => {
                words.iter().position(|word| is(word, STREETS) || is(word, MALLS)).unwrap_or(words.len())
            }
            Depth::Buried => words.len(),
        };
        let is_street = plain < words.len();
        let counts = |word: &&String| !is(word, BRAND) && !is(word, OF_TOWN) && !is(word, OF_SETTLEMENT);
        let alone = words[..plain].iter().filter(counts).count();
        let mut found = Vec::new();
        for start in 0..plain {
            for count in 1..=self.longest.min(plain - start) {
                let Some(meanings) = self.names.get(&words[start..start + count]) else { continue };
                let best = meanings.iter().min_by_key(|meaning| told.misfit(&self.all[meaning.town]));
                let Some(meaning) = best else { continue };
                found.push(Match {
                    is_part: meaning.is_part,
                    has_company: count < alone || is_street,
                    segment,
                    missing_words: self.longest - count,
                    start,
                    town: meaning.town,
                });
            }
        }
        found
    }
}

/// Reads the list as it is in the file.
fn read(text: &str) -> Vec<Town> {
    let list = |names: &str| names.split(';').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let town = |line: &str| {
        let mut columns = line.split('\t');
        let mut column = || columns.next().unwrap_or_default();
        Town {
            name: column().to_owned(),
            kind: if column() == "п" { Kind::Settlement } else { Kind::Town },
            region: column().to_owned(),
            is_million: column() == "1",
            others: list(column()),
            parts: list(column()),
        }
    };
    lines.map(town).collect()
}

/// How deep to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    /// Where towns are named.
    Plain,
    /// In the names of streets and malls, too: better than nothing.
    Buried,
}

/// A name found in a text; the least is the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Match {
    is_part: bool,
    /// Whether other words stand beside it.
    has_company: bool,
    segment: usize,
    /// Fewer words less: of two names at one place the longer is meant.
    missing_words: usize,
    start: usize,
    town: usize,
}

/// Words that stand before or after the name of a street, and before that of a mall: what is beside them is no town.
const STREETS: &[&str] = &[
    "ул",
    "улица",
    "пр",
    "просп",
    "проспект",
    "пркт",
    "ш",
    "шоссе",
    "пер",
    "переулок",
    "б",
    "бульвар",
    "бул",
    "наб",
    "набережная",
    "пл",
    "площадь",
    "проезд",
    "тракт",
    "аллея",
    "линия",
    "тупик",
    "квартал",
    "кв",
];
const MALLS: &[&str] = &[
    "тц",
    "трц",
    "трк",
    "тк",
    "тд",
    "тд",
    "мц",
    "бц",
    "жк",
    "молл",
    "гм",
    "гипермаркет",
    "метро",
    "м",
    "рн",
    "район",
    "мкр",
    "мкрн",
    "микрорайон",
    "отель",
    "гостиница",
    "рынок",
    "вокзал",
    "аэропорт",
];
const BRAND: &[&str] = &["borodach", "бородач", "барбершоп", "barbershop", "barber", "shop"];
const OF_SETTLEMENT: &[&str] =
    &["рп", "пгт", "поселок", "пос", "п", "село", "с", "деревня", "дер", "станица", "стца"];
const OF_TOWN: &[&str] = &["г", "город", "гор"];

/// What all texts together tell beside the town's name.
struct Told {
    words: Vec<String>,
    is_settlement: bool,
    is_town: bool,
}

impl Told {
    fn of(texts: &[&str]) -> Told {
        let words: Vec<String> = texts.iter().flat_map(|text| words(text)).collect();
        let has = |marks: &[&str]| words.iter().any(|word| marks.contains(&word.as_str()));
        let is_settlement = has(OF_SETTLEMENT);
        Told { is_settlement, is_town: has(OF_TOWN) && !is_settlement, words }
    }

    /// Whether a region is named; of long names the first word tells them apart.
    fn names(&self, region: &str) -> bool {
        words(region).first().is_some_and(|first| first.len() > 4 && self.words.contains(first))
    }

    /// The region named with its kind: `Московская обл.`
    fn region(&self, towns: &[Town]) -> Option<String> {
        const KINDS: &[&str] = &["обл", "область", "край", "республика", "респ", "ао", "округ"];
        let is_there = self.words.iter().any(|word| KINDS.contains(&word.as_str()));
        let named = towns.iter().map(|town| town.region.as_str()).find(|region| self.names(region));
        named.filter(|_| is_there).map(str::to_owned)
    }

    /// How well a town fits what is told; the least is the best.
    fn misfit(&self, town: &Town) -> (bool, bool) {
        let is_other_kind = match town.kind {
            Kind::Settlement => self.is_town,
            Kind::Town => self.is_settlement,
        };
        (!self.names(&town.region), is_other_kind)
    }
}

/// The parts of a text that are divided by more than a space.
fn segments(text: &str) -> impl Iterator<Item = &str> {
    const DASHES: &[char] = &['-', '\u{2010}', '\u{2011}', '\u{2012}', '–', '—', '―', '−'];
    let divides = |c: char| ",;|/()[]«»\"“”„:•·\n".contains(c);
    text.split(divides).flat_map(|part| {
        // A dash within a word is a part of a name, one beside a space divides.
        let mut cuts = vec![0];
        for (at, dash) in part.match_indices(DASHES) {
            let (before, after) = (&part[..at], &part[at + dash.len()..]);
            if before.ends_with(char::is_whitespace) || after.starts_with(char::is_whitespace) {
                cuts.extend([at, at + dash.len()]);
            }
        }
        cuts.push(part.len());
        cuts.chunks(2).map(|cut| &part[cut[0]..cut[1]]).collect::<Vec<_>>()
    })
}

/// The words of a text as names are compared: lower case, `е` for `ё`, no dots and dashes.
fn words(text: &str) -> Vec<String> {
    let text = text.to_lowercase().replace('ё', "е");
    // Abbreviations that are one word although dots and dashes divide them.
    let text = ["р.п.", "п.г.т.", "р. п.", "пр-т", "пр-кт", "б-р", "р-н", "ст-ца", "мкр-н"]
        .iter()
        .fold(text, |text, short| text.replace(short, &format!(" {} ", short.replace(['.', '-', ' '], ""))));
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}
