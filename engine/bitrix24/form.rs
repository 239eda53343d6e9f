//! Parameters written as PHP reads them in an address: `fields[TITLE]=x&fields[TAGS][0]=y`.

use serde_json::Value;
use url::form_urlencoded::Serializer;

/// Writes parameters as a query, each name and value encoded once.
pub(super) fn query(parameters: &Value) -> String {
    let mut query = Serializer::new(String::new());
    write(&mut query, "", parameters);
    query.finish()
}

fn write(query: &mut Serializer<'_, String>, name: &str, value: &Value) {
    let inside = |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name}[{key}]") };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| write(query, &inside(key), value)),
        Value::Array(list) => {
            list.iter()
                .enumerate()
                .for_each(|(place, value)| write(query, &inside(&place.to_string()), value));
        }
        Value::String(text) => _ = query.append_pair(name, text),
        Value::Bool(flag) => _ = query.append_pair(name, if *flag { "1" } else { "0" }),
        Value::Null => _ = query.append_pair(name, ""),
        Value::Number(number) => _ = query.append_pair(name, &number.to_string()),
    }
}
