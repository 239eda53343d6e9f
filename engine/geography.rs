//! Where a barbershop is: its town, the region, and how large the town is, out of what people have called it.
//!
//! Titles are written by many hands: the brand in front or behind, with any dash there is, with the town, a part of it
//! or a mall. What is known of towns is data, `geography/towns.tsv`; the code knows how an address is written.

use std::collections::HashMap;
use std::sync::LazyLock;

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

/// Finds the place of a barbershop by its title, by the town that the service tells, and by its address.
///
/// The title is believed first: the town is chosen from a list once, and a title is read by everybody. A town we do not
/// know is taken as the service tells it.
pub fn place(title: &str, city: Option<&str>, address: Option<&str>) -> Option<Place> {
    let (city, address) = (city.unwrap_or_default(), address.unwrap_or_default());
    let told = Told::of(&[title, city, address]);
    let found = find(title, Depth::Plain, &told)
        .or_else(|| find(city, Depth::Plain, &told))
        .or_else(|| find(address, Depth::Plain, &told))
        .or_else(|| find(title, Depth::Buried, &told).filter(|_| city.trim().is_empty()));
    if let Some(town) = found {
        let (city, region) = (town.name.to_owned(), Some(town.region.to_owned()));
        return Some(Place { city, region, is_million: town.is_million });
    }
    let city = city.trim();
    (!city.is_empty()).then(|| Place { city: city.to_owned(), region: told.region(), is_million: false })
}

/// A town of the list.
#[derive(Debug)]
struct Town {
    name: &'static str,
    is_settlement: bool,
    region: &'static str,
    is_million: bool,
}

/// What a name may mean.
#[derive(Clone, Copy, Debug)]
struct Meaning {
    town: usize,
    /// Whether it is a part of the town.
    is_part: bool,
}

struct Towns {
    all: Vec<Town>,
    /// A name as words → what it may mean, in the order of the list.
    names: HashMap<Vec<String>, Vec<Meaning>>,
    /// The most words of a name.
    longest: usize,
}

static TOWNS: LazyLock<Towns> = LazyLock::new(|| Towns::read(include_str!("geography/towns.tsv")));

impl Towns {
    fn read(text: &'static str) -> Towns {
        let mut towns = Towns { all: Vec::new(), names: HashMap::new(), longest: 0 };
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let mut columns = line.split('\t');
            let mut column = || columns.next().unwrap_or_default();
            let (name, kind, region, million) = (column(), column(), column(), column());
            let (others, parts) = (column(), column());
            let town = towns.all.len();
            towns.all.push(Town { name, is_settlement: kind == "п", region, is_million: million == "1" });
            towns.name(name, Meaning { town, is_part: false });
            others.split(';').for_each(|name| towns.name(name, Meaning { town, is_part: false }));
            parts.split(';').for_each(|name| towns.name(name, Meaning { town, is_part: true }));
        }
        towns
    }

    fn name(&mut self, name: &str, meaning: Meaning) {
        let words = words(name);
        if !words.is_empty() {
            self.longest = self.longest.max(words.len());
            self.names.entry(words).or_default().push(meaning);
        }
    }
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
    fn region(&self) -> Option<String> {
        const KINDS: &[&str] = &["обл", "область", "край", "республика", "респ", "ао", "округ"];
        let is_there = self.words.iter().any(|word| KINDS.contains(&word.as_str()));
        let named = TOWNS.all.iter().map(|town| town.region).find(|region| self.names(region));
        named.filter(|_| is_there).map(str::to_owned)
    }

    /// How well a town fits what is told; the least is the best.
    fn misfit(&self, town: &Town) -> (bool, bool) {
        let is_other_kind = if town.is_settlement { self.is_town } else { self.is_settlement };
        (!self.names(town.region), is_other_kind)
    }
}

fn find(text: &str, depth: Depth, told: &Told) -> Option<&'static Town> {
    let best = segments(text)
        .enumerate()
        .flat_map(|(number, segment)| matches(number, &words(segment), depth, told))
        .min()?;
    Some(&TOWNS.all[best.town])
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

/// The names of towns in a segment.
fn matches(segment: usize, words: &[String], depth: Depth, told: &Told) -> Vec<Match> {
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
        for count in 1..=TOWNS.longest.min(plain - start) {
            let Some(meanings) = TOWNS.names.get(&words[start..start + count]) else { continue };
            let best = meanings.iter().min_by_key(|meaning| told.misfit(&TOWNS.all[meaning.town]));
            let Some(meaning) = best else { continue };
            found.push(Match {
                is_part: meaning.is_part,
                has_company: count < alone || is_street,
                segment,
                missing_words: TOWNS.longest - count,
                start,
                town: meaning.town,
            });
        }
    }
    found
}
