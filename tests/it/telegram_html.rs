//! Telegram's HTML: what is made of any text, and how a long message is dealt out.

use borodach::telegram::html::{clean, escape, plain, split, visible_len};
use proptest::prelude::*;

#[track_caller]
fn cleaned(html: &str, expected: &str) {
    assert_eq!(clean(html), expected, "{html}");
    assert_eq!(accept(expected).as_deref(), Ok(plain(html).as_str()), "{html}");
}

#[test]
fn text_of_people_is_shown_as_they_wrote_it() {
    for text in ["<b>ООО «Ромашка»</b> & Co", "1 < 2 > 0", "\"&amp;\"", "", "a\nb"] {
        assert_eq!(plain(&escape(text)), text);
        assert_eq!(accept(&escape(text)).as_deref(), Ok(text));
        assert_eq!(accept(&format!("<a href=\"{}\">x</a>", escape(text))).as_deref(), Ok("x"));
    }
}

#[test]
fn tags_telegram_knows_stay_under_their_shortest_names() {
    cleaned("<b>a</b><strong>b</strong><EM>c</EM>", "<b>a</b><b>b</b><i>c</i>");
    cleaned("<ins>u</ins><del>s</del><strike>t</strike>", "<u>u</u><s>s</s><s>t</s>");
    cleaned("<span class=\"tg-spoiler\">x</span>", "<tg-spoiler>x</tg-spoiler>");
    cleaned("<blockquote expandable>x</blockquote>", "<blockquote expandable>x</blockquote>");
    cleaned(
        "<pre><code class='language-rust'>fn</code></pre>",
        "<pre><code class=\"language-rust\">fn</code></pre>",
    );
    cleaned("<tg-emoji emoji-id=\"53\">🔥</tg-emoji>", "<tg-emoji emoji-id=\"53\">🔥</tg-emoji>");
    cleaned(
        "<tg-time unix=\"1\" format=\"wDT\">x</tg-time>",
        "<tg-time unix=\"1\" format=\"wDT\">x</tg-time>",
    );
}

#[test]
fn links_keep_their_address_and_nothing_else() {
    cleaned(
        "<a href=\"https://a.b/?x=1&y=2\" target=_blank>x</a>",
        "<a href=\"https://a.b/?x=1&amp;y=2\">x</a>",
    );
    cleaned("<a href=tg://user?id=1>x</a>", "<a href=\"tg://user?id=1\">x</a>");
    cleaned("<a href='a.b:80/c'>x</a>", "<a href=\"a.b:80/c\">x</a>");
    cleaned("<a href=\"JavaScript:alert(1)\">x</a>", "x");
    cleaned("<a name=\"x\">x</a>", "x");
    cleaned("<a href=\"&quot;onclick=\">x</a>", "<a href=\"&quot;onclick=\">x</a>");
}

#[test]
fn other_tags_go_and_leave_their_text() {
    cleaned("<p>раз</p><p>два</p>", "раз\nдва");
    cleaned("раз<br>два<br/>три", "раз\nдва\nтри");
    cleaned("<ul>\n<li>раз</li>\n<li>два</li>\n</ul>конец", "\n• раз\n• два\nконец");
    cleaned("<h1>Итог</h1><div>всё</div>", "<b>Итог</b>\nвсё");
    cleaned("a<script>alert('<b>')</script>b<style>p{}</style><!-- no <b> -->c", "abc");
    cleaned("<font color=\"red\">x</font><img src=x>y", "xy");
    cleaned("<span>x</span>", "x");
}

#[test]
fn tags_are_closed_in_order() {
    cleaned("<b>a<i>b</b>c</i>", "<b>a<i>b</i></b><i>c</i>");
    cleaned("<b>a", "<b>a</b>");
    cleaned("a</b>", "a");
    cleaned("<b>a</strong>b", "<b>a</b>b");
    cleaned("<b><b>a</b>b</b>c", "<b>ab</b>c");
    cleaned("<code><b>a</b></code>", "<code>a</code>");
    cleaned("<blockquote>a<blockquote>b</blockquote>c</blockquote>", "<blockquote>abc</blockquote>");
    cleaned("<span class=tg-spoiler>a<span>b</span>c</span>", "<tg-spoiler>abc</tg-spoiler>");
}

#[test]
fn what_is_no_tag_and_no_entity_is_text() {
    cleaned("1 < 2 & 3 > 2", "1 &lt; 2 &amp; 3 &gt; 2");
    cleaned("I <3 you", "I &lt;3 you");
    cleaned("<b", "&lt;b");
    cleaned("<a href=\"x>y", "&lt;a href=\"x&gt;y");
    cleaned("&lt;b&gt; &#60; &#x3C; &amp;lt;", "&lt;b&gt; &lt; &lt; &amp;lt;");
    cleaned("&unknown; & &#0; &#xD800;", "&amp;unknown; &amp; &amp;#0; &amp;#xD800;");
    cleaned("10&nbsp;000&mdash;да", "10\u{a0}000—да");
}

#[test]
fn length_is_counted_in_code_points_after_parsing() {
    assert_eq!(visible_len("<b>да</b> &lt; 👍🏽"), 7);
    assert_eq!(visible_len("<a href=\"https://example.org\"></a>"), 0);
}

#[track_caller]
fn dealt(html: &str, limit: usize, expected: &[&str]) {
    assert_eq!(split(html, limit), expected, "{html:?} by {limit}");
}

#[test]
fn a_message_is_dealt_out_at_its_most_natural_border() {
    dealt("короткое", 4096, &["короткое"]);
    dealt("Абзац раз.\n\nАбзац два.\nСтрока.", 22, &["Абзац раз.", "Абзац два.\nСтрока."]);
    dealt("Строка раз.\nСтрока два. Ещё.", 18, &["Строка раз.", "Строка два. Ещё."]);
    dealt("Раз два. Три четыре пять", 18, &["Раз два.", "Три четыре пять"]);
    dealt("раз два три", 8, &["раз два", "три"]);
    dealt("раздватри", 4, &["разд", "ватр", "и"]);
    dealt("a\n\nbbbbbbb ccccccc", 16, &["a\n\nbbbbbbb", "ccccccc"]);
    dealt(" \n раз \n ", 3, &["раз"]);
    dealt("раз            два", 3, &["раз", "два"]);
    dealt(" <b> </b> ", 5, &[]);
    dealt("да", 0, &["д", "а"]);
}

#[test]
fn tags_open_at_a_border_are_opened_again_in_the_next_part() {
    dealt("<b>раз <i>два</i> три</b>", 8, &["<b>раз <i>два</i></b>", "<b>три</b>"]);
    dealt(
        "<a href=\"https://a.b\">раз два</a>",
        4,
        &["<a href=\"https://a.b\">раз</a>", "<a href=\"https://a.b\">два</a>"],
    );
    dealt("<b>раз </b>два", 4, &["<b>раз</b>", "два"]);
    dealt("раз <b>два</b>", 4, &["раз", "<b>два</b>"]);
    dealt("&lt;&lt;&lt;", 2, &["&lt;&lt;", "&lt;"]);
}

#[test]
fn a_cut_inside_a_word_spares_emoji_and_accents() {
    dealt("aa👍🏽", 3, &["aa", "👍🏽"]);
    dealt("a👨\u{200d}👩\u{200d}👧", 5, &["a", "👨\u{200d}👩\u{200d}👧"]);
    dealt("aaи\u{306}", 3, &["aa", "и\u{306}"]);
    dealt("🇷🇺🇷🇺", 3, &["🇷🇺🇷", "🇺"]);
}

#[test]
fn a_part_with_its_tags_is_within_the_bytes_telegram_takes() {
    let row = format!("<a href=\"https://example.org/{}\">x</a>\n", "x".repeat(200));
    let parts = split(&row.repeat(400), 4096);
    assert!(parts.len() > 1);
    assert!(parts.iter().all(|part| part.len() <= 32 * 1024 && accept(part).is_ok()));
    assert_eq!(
        parts.iter().map(|part| part.matches('x').count()).sum::<usize>(),
        row.matches('x').count() * 400
    );
}

proptest! {
    #[test]
    fn whatever_is_written_cleaning_makes_it_acceptable_and_is_done_at_once(html in messages()) {
        let once = clean(&html);
        prop_assert_eq!(accept(&once), Ok(plain(&html)), "{}", once);
        prop_assert_eq!(clean(&once), once);
    }

    #[test]
    fn parts_are_acceptable_within_the_limit_and_lose_nothing(html in messages(), limit in 1_usize..40) {
        let whole = plain(&html);
        let mut rest = whole.as_str();
        for part in split(&html, limit) {
            let shown = accept(&part).map_err(TestCaseError::fail)?;
            prop_assert!(shown.chars().count() <= limit, "{part}");
            prop_assert_eq!(shown.trim(), shown.as_str());
            prop_assert!(!shown.is_empty());
            rest = rest.trim_start().strip_prefix(shown.as_str()).ok_or_else(|| TestCaseError::fail(format!("{part} in {rest}")))?;
        }
        prop_assert_eq!(rest.trim(), "");
    }

    #[test]
    fn what_fits_is_not_dealt_out(html in messages()) {
        let parts = split(&html, visible_len(&html));
        prop_assert_eq!(parts.len(), usize::from(!plain(&html).trim().is_empty()));
    }

    #[test]
    fn escaped_text_is_shown_as_it_was(text in any::<String>()) {
        prop_assert_eq!(plain(&escape(&text)), text.clone());
        prop_assert_eq!(accept(&escape(&text)), Ok(text));
    }
}

/// Messages good and bad: tags in any order, entities, emoji, white space, broken pieces of markup.
fn messages() -> impl Strategy<Value = String> {
    let tag = prop::sample::select(vec![
        "b",
        "strong",
        "i",
        "u",
        "s",
        "a href=\"https://a.b/?c&amp;d\"",
        "a",
        "code",
        "code class=\"language-x\"",
        "pre",
        "blockquote",
        "blockquote expandable",
        "tg-spoiler",
        "span class=\"tg-spoiler\"",
        "span",
        "p",
        "li",
        "h2",
        "div",
        "br",
        "script",
    ]);
    let opened = tag.clone().prop_map(|tag| format!("<{tag}>"));
    let closed = tag.prop_map(|tag| format!("</{}>", tag.split(' ').next().unwrap_or(tag)));
    let text = prop::sample::select(vec![
        "слово",
        "x",
        " ",
        "  ",
        "\n",
        "\n\n",
        ". ",
        "! ",
        "&lt;",
        "&amp;",
        "&quot;",
        "&#60;",
        "&nbsp;",
        "&",
        "<",
        ">",
        "\"",
        "👍🏽",
        "🇷🇺",
        "<!--",
        "-->",
        "<a href=\"",
        "</",
        "\u{200d}",
    ]);
    let piece = prop_oneof![2 => opened, 2 => closed, 4 => text.prop_map(str::to_owned), 1 => ".{0,4}"];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Reads a message as strictly as Telegram does: its text, or what it would refuse it for.
fn accept(html: &str) -> Result<String, String> {
    let known = ["b", "i", "u", "s", "a", "code", "pre", "blockquote", "tg-spoiler", "tg-emoji", "tg-time"];
    let (mut text, mut open, mut rest) = (String::new(), Vec::new(), html);
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '<' => {
                let (tag, after) = rest.split_once('>').ok_or("an unclosed start tag")?;
                rest = after;
                let name = tag.split(' ').next().unwrap_or(tag);
                match name.strip_prefix('/') {
                    Some(name) if open.pop() == Some(name) => (),
                    Some(name) => return Err(format!("an unmatched end tag {name} in {html}")),
                    None if !known.contains(&name) => {
                        return Err(format!("an unsupported tag {name} in {html}"));
                    }
                    None if name == "blockquote" && open.contains(&name) => {
                        return Err(format!("nested quotes in {html}"));
                    }
                    None => open.push(name),
                }
            }
            '>' => return Err(format!("a stray > in {html}")),
            '&' => {
                let (name, after) = rest.split_once(';').ok_or("a stray &")?;
                rest = after;
                text.push(match name {
                    "lt" => '<',
                    "gt" => '>',
                    "amp" => '&',
                    "quot" => '"',
                    other => return Err(format!("an unknown entity {other} in {html}")),
                });
            }
            other => text.push(other),
        }
    }
    if open.is_empty() { Ok(text) } else { Err(format!("{open:?} not closed in {html}")) }
}
