//! Module `rules`: which of the rules of a script decides.

use serde_json::Value;

use super::{Action, HostFn, Param, Shape};
use crate::rules::decide;
use crate::script::value::to_script;

const RULES: Param = Param {
    name: "правила",
    shape: Shape::List,
    help: "по порядку: #{ name, when: #{ имя факта: значение или список, words, except }, decision: #{ department, group, responsible, priority, days, tags } }",
};
const FACTS: Param = Param {
    name: "факты",
    shape: Shape::Map,
    help: "что известно: department, city, text, at и всё, о чём спрашивают правила",
};

/// The declarations of the module.
pub(super) fn functions() -> Vec<HostFn> {
    vec![HostFn {
        module: "rules",
        name: "decide",
        params: &[RULES, FACTS],
        returns: "карта: rule, why, decision, skipped, facts; в decision вместо days — deadline, а из смен responsible выбран один",
        help: "Решает первое подошедшее правило и объясняет: почему оно, что не подошло и почему.",
        example: "let route = rules::decide([#{ name: \"Срочное\", when: #{ words: [\"срочн\"] }, decision: #{ priority: \"high\", days: 1 } }],\n    #{ text: \"Срочно!\", at: time::now() });\nlog::info(route.rule ?? \"ничего не подошло\");",
        action: Action::Pure(|args| {
            let Value::Object(facts) = args.any(1) else {
                return Err("факты — карта #{…}".to_owned());
            };
            decide(args.list(0), facts).map(|decided| to_script(&decided))
        }),
        ..HostFn::PLAIN
    }]
}
