//! The documentation of the host's functions: it is that of the code, and its examples are sound.

use std::path::Path;

use borodach::script::{Files, Limits, Set, docs, host};

#[test]
fn the_page_in_the_repository_is_that_of_the_declarations() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let kept = std::fs::read_to_string(root.join("host-functions.md")).unwrap_or_default();
    assert!(kept == docs::page(), "run `borodach docs` and commit what it writes");
    for (name, text) in docs::definitions() {
        let kept = std::fs::read_to_string(root.join("definitions").join(&name)).unwrap_or_default();
        assert!(kept == text, "{name}: run `borodach docs` and commit what it writes");
    }
}

#[test]
fn every_function_is_explained_and_its_example_is_sound() {
    for function in host::own() {
        let name = function.full_name();
        assert!(!function.help.is_empty() && !function.returns.is_empty(), "{name} is not explained");
        let flow = format!(
            "flow(#{{ title: \"Пример\", on: [command(\"/example\")], access: [\"staff\"] }});\n\
             fn start(chat, partner, args) {{\n{}\n}}",
            docs::example(function)
        );
        let files = Files::from([("flows/example.rhai".to_owned(), flow)]);
        if let Err(findings) = Set::checked(files, Limits::default()) {
            panic!("the example of {name}: {}", findings[0]);
        }
    }
}
