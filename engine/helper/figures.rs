//! The figures of a text, in one form however they are written: `1 234,50`, `1234.5` and `1 234.5` are the same.

use std::collections::HashSet;

/// The figures of an answer that its context does not have, as they are written.
pub(super) fn missing(answer: &str, context: &str) -> Vec<String> {
    let known: HashSet<String> = figures(context).into_iter().map(|figure| figure.value).collect();
    let named = answer.lines().flat_map(|line| figures(without_marker(line)));
    named.filter(|figure| !known.contains(&figure.value)).map(|figure| figure.written).collect()
}

struct Figure {
    written: String,
    value: String,
}

/// `2. Второе` is the second line of a list and names no figure.
fn without_marker(line: &str) -> &str {
    let line = line.trim_start();
    let rest = line.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let is_marker =
        (1..=2).contains(&(line.len() - rest.len())) && (rest.starts_with(". ") || rest.starts_with(") "));
    if is_marker { rest } else { line }
}

fn figures(text: &str) -> Vec<Figure> {
    let letters: Vec<char> = text.chars().collect();
    let (mut found, mut at) = (Vec::new(), 0);
    while at < letters.len() {
        if !letters[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let from = at;
        let mut whole = digits(&letters, &mut at);
        // Thousands, set apart by spaces: three digits each, and no fourth.
        let is_grouped = whole.len() <= 3;
        while let Some(group) = group_at(&letters, at).filter(|_| is_grouped) {
            whole.push_str(&group);
            at += 4;
        }
        let mut parts = vec![whole];
        while matches!(letters.get(at), Some('.' | ','))
            && letters.get(at + 1).is_some_and(char::is_ascii_digit)
        {
            at += 1;
            parts.push(digits(&letters, &mut at));
        }
        let written: String = letters[from..at].iter().collect();
        match parts.as_slice() {
            [whole] => found.push(Figure { written, value: plain(whole) }),
            [whole, rest] => {
                let rest = rest.trim_end_matches('0');
                let value = if rest.is_empty() { plain(whole) } else { format!("{}.{rest}", plain(whole)) };
                found.push(Figure { written, value });
            }
            // A date: its day, month and year may be named apart.
            parts => {
                found.extend(parts.iter().map(|part| Figure { written: part.clone(), value: plain(part) }));
            }
        }
    }
    found
}

fn digits(letters: &[char], at: &mut usize) -> String {
    let from = *at;
    while letters.get(*at).is_some_and(char::is_ascii_digit) {
        *at += 1;
    }
    letters[from..*at].iter().collect()
}

/// The three digits after a space.
fn group_at(letters: &[char], at: usize) -> Option<String> {
    let is_space = matches!(letters.get(at)?, ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}');
    let mut end = at + 1;
    let group = digits(letters, &mut end);
    (is_space && group.len() == 3).then_some(group)
}

/// Without zeros before it.
fn plain(digits: &str) -> String {
    let plain = digits.trim_start_matches('0');
    if plain.is_empty() { "0".to_owned() } else { plain.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::missing;

    #[track_caller]
    fn check(answer: &str, context: &str, invented: &[&str]) {
        assert_eq!(missing(answer, context), invented, "{answer}");
    }

    #[test]
    fn a_figure_is_known_however_it_is_written() {
        let context = "Выручка 1\u{a0}234\u{a0}567,50 ₽, визитов 160 из 200, загрузка 71,5 %, на 25.11.2026";
        check("Вы заработали 1 234 567,5 ₽ за 160 визитов.", context, &[]);
        check("Заработано 1234567.50", context, &[]);
        check("К 25 ноября 2026 года загрузка 71.5 %", context, &[]);
        check("1. Визитов 160\n2) Из 200", context, &[]);
        check("Спасибо за вопрос!", context, &[]);
    }

    #[test]
    fn what_is_rounded_summed_or_cut_is_invented() {
        let context = "Выручка 1 234 567 ₽ и 2 000 000 ₽, визитов 160";
        check("Около 1,2 млн", context, &["1,2"]);
        check("Всего 3 234 567 ₽", context, &["3 234 567"]);
        check("Это 234 567 ₽", context, &["234 567"]);
        check("Визитов 16", context, &["16"]);
        check("Выросло на 12 % и на 5 %", context, &["12", "5"]);
    }
}
