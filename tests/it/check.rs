//! What the strict check of scripts says, before anybody talks with them.

use borodach::script::{Files, Limits, Set};

use crate::desk::{ANNA, Desk, OLGA};

/// Checks a set of one flow whose `start` has this body, and draws what is found.
fn findings(body: &str) -> String {
    let flow = format!(
        "flow(#{{ title: \"Привет\", on: [command(\"/hello\")], access: [\"guest\"] }});\nfn start(chat, partner) {{\n    {body}\n}}\n"
    );
    let files = Files::from([("flows/hello.rhai".to_owned(), flow)]);
    let found = Set::checked(files, Limits::default()).expect_err("something is wrong with it");
    found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_mistyped_option_is_found_when_all_options_are_constants() {
    insta::assert_snapshot!(findings(r#"chat.ask_text("Как вас зовут?", #{ min: 2, maxx: 60 });"#), @r#"
    flows/hello.rhai:3:10: chat.ask_text: нет настройки «maxx»; может быть, max?
      |
    3 |     chat.ask_text("Как вас зовут?", #{ min: 2, maxx: 60 });
      |          ^
    "#);
}

#[test]
fn a_mistyped_option_is_found_beside_a_computed_one() {
    insta::assert_snapshot!(findings(r#"let n = 60; chat.ask_text("Как вас зовут?", #{ min: n, maxx: n });"#), @r#"
    flows/hello.rhai:3:22: chat.ask_text: нет настройки «maxx»; может быть, max?
      |
    3 |     let n = 60; chat.ask_text("Как вас зовут?", #{ min: n, maxx: n });
      |                      ^
    "#);
}

#[test]
fn a_function_called_like_one_of_an_imported_file_is_found() {
    let flow = |own: &str| {
        format!(
            "flow(#{{ title: \"Привет\", on: [command(\"/hello\")], access: [\"guest\"] }});\nimport \"scripts/near\" as near;\n\
             fn start(chat, partner) {{ chat.say(near::says(1) + {own}(1)); }}\nprivate fn {own}(n) {{ \"здесь\" }}\n"
        )
    };
    let check = |own: &str| {
        let files = [
            ("flows/hello.rhai", flow(own)),
            ("scripts/near.rhai", "import \"scripts/far\" as far;\nfn says(n) { far::counts(n) }".to_owned()),
            ("scripts/far.rhai", "fn counts(n) { n.to_string() }\nfn words(a, b) { a + b }".to_owned()),
        ];
        Set::checked(files.map(|(path, body)| (path.to_owned(), body)).into(), Limits::default())
    };
    for (own, file) in [("says", "scripts/near.rhai"), ("counts", "scripts/far.rhai")] {
        let found = check(own).expect_err("two of a name");
        let told = format!(
            "flows/hello.rhai: функция {own} с тем же числом аргументов есть и в {file}: назовите одну из них иначе"
        );
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), [told]);
    }
    assert!(check("words").is_ok(), "with another number of arguments it is another function");
}

#[test]
fn what_cannot_be_parsed_is_told_in_russian() {
    #[track_caller]
    fn check(body: &str, told: &str) {
        let found = findings(body);
        assert_eq!(found.lines().next().unwrap_or_default(), format!("flows/hello.rhai:{told}"));
    }
    check("chat.say(nam);", "3:14: не разбирается: нет переменной «nam»: опечатка или забыт let");
    check("chat.say(1) chat.say(2);", "3:17: не разбирается: здесь не хватает ;");
    check("if true { chat.say(1);", "5:1: не разбирается: здесь не хватает }");
    check("chat.say(\"Привет);", "3:14: не разбирается: не закрыта кавычка");
    check("chatt::say(1);", "3:5: не разбирается: нет модуля «chatt»: опечатка или забыт import");
    check("const MOST = 1; MOST = 2;", "3:21: не разбирается: MOST — const, поменять её нельзя");
    check("let shared = 1;", "3:9: не разбирается: слово shared занято языком, возьмите другое");
    check("let n = 1 № 2;", "3:15: не разбирается: лишний знак №");
}

#[tokio::test]
async fn a_mistake_in_the_folder_at_start_leaves_the_set_that_was_live_last_at_work() {
    let mut desk = Desk::start().await;
    desk.stop().await;
    desk.edit("welcome", |text| text.replace("chat, partner", "chat partner"));
    desk.run().await;
    let anna = desk.talks(ANNA);
    anna.writes("/start");
    anna.hears("Начнём с регистрации").await;
    desk.office(OLGA).hears("flows/welcome.rhai:10").await;
    let health = desk.health().await;
    assert_eq!(health["parts"]["scripts"]["status"], "degraded");
}
