//! Which salons somebody may mean who names theirs in words of their own.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::Salon;
use crate::geography::Towns;
use crate::text::folded;

/// Of a salon that is proposed at least this part of the best one's score.
const CLOSE: f64 = 0.5;
/// Letters that must be the same for two forms of a word to be one: «Казань» and «в Казани».
const STEM: usize = 4;
/// Letters in which the ends of such forms may differ.
const ENDING: usize = 3;

/// The salons whose names, towns and addresses are most like `words`, the likest first; `towns` tells which town a salon
/// is in.
///
/// Words count by how rare they are in the network: what every second salon has in its name, as «ТЦ», hardly helps.
/// Those far behind the best are left out, so an exact name is proposed alone.
pub fn suggest<'a>(salons: &'a [Salon], towns: &Towns, words: &str, most: usize) -> Vec<&'a Salon> {
    let texts: Vec<Vec<String>> = salons.iter().map(|salon| parts(&salon.searched())).collect();
    let mut scores: HashMap<usize, f64> = HashMap::new();
    for word in parts(&folded(words)) {
        let found: Vec<(usize, f64)> = texts
            .iter()
            .enumerate()
            .filter_map(|(at, text)| {
                Some((at, text.iter().filter_map(|part| likeness(&word, part)).reduce(f64::max)?))
            })
            .collect();
        #[expect(clippy::cast_precision_loss, reason = "there are hundreds of salons")]
        let rarity = (salons.len() as f64 / found.len().max(1) as f64).ln();
        for (at, likeness) in found {
            *scores.entry(at).or_default() += likeness * rarity.max(0.05);
        }
    }
    // A street of the same name elsewhere is no help to somebody who names their town.
    let is_named = |at: &usize| names(words, &town(&salons[*at], towns));
    let there: HashSet<usize> = scores.keys().copied().filter(is_named).collect();
    if !there.is_empty() {
        scores.retain(|at, _| there.contains(at));
    }
    let best = scores.values().copied().fold(0.0, f64::max);
    let mut close: Vec<(usize, f64)> =
        scores.into_iter().filter(|&(_, score)| score >= best * CLOSE).collect();
    close.sort_by(|(at, score), (other, than)| than.total_cmp(score).then(at.cmp(other)));
    close.truncate(most);
    close.into_iter().map(|(at, _)| &salons[at]).collect()
}

/// Whether a town is among somebody's words, in whatever form.
fn names(words: &str, town: &str) -> bool {
    let (words, town) = (parts(&folded(words)), parts(&folded(town)));
    !town.is_empty() && town.iter().all(|part| words.iter().any(|word| likeness(word, part).is_some()))
}

/// The town of a salon; empty when nobody can tell.
fn town(salon: &Salon, towns: &Towns) -> String {
    let place = towns.place(&salon.title, salon.city.as_deref(), salon.address.as_deref());
    place.map_or_else(String::new, |place| place.city)
}

/// Words and numbers, each once.
fn parts(text: &str) -> Vec<String> {
    let words = text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    let once: BTreeSet<&str> = words.collect();
    once.into_iter().map(str::to_owned).collect()
}

/// How surely two words are the same: exactly, or as forms of one.
fn likeness(word: &str, other: &str) -> Option<f64> {
    if word == other {
        return Some(1.0);
    }
    let same = word.chars().zip(other.chars()).take_while(|(one, another)| one == another).count();
    let ends = word.chars().count().max(other.chars().count()) - same;
    (same >= STEM && ends <= ENDING).then_some(0.7)
}
