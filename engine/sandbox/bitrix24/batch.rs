//! Many commands in one request, in the manner of each generation.

use serde_json::{Value, json};

use super::Bitrix24;
use super::call::{Answer, Caller, Outcome};
use super::method::{Generation, Method};
use super::params::{Params, flag, php_map, text};
use super::refusal::Refusal;

const COMMANDS_AT_MOST: usize = 50;

impl Bitrix24 {
    /// Answers 200 whatever becomes of its commands; those with the names 0, 1, 2… come back as lists.
    pub(super) fn batch(&self, caller: &Caller, params: &Params) -> Answer {
        let halts = params.get("halt").is_some_and(flag);
        let (mut results, mut errors) = (Vec::new(), Vec::new());
        let (mut totals, mut nexts, mut times) = (Vec::new(), Vec::new(), Vec::new());
        for (at, (name, command)) in params.entries("cmd").into_iter().enumerate() {
            let outcome = if at < COMMANDS_AT_MOST {
                self.command(caller, &text(&command), &results)
            } else {
                Err(Refusal::v2(400, "ERROR_BATCH_LENGTH_EXCEEDED", "Max batch length exceeded"))
            };
            match outcome {
                Ok((method, answer)) => {
                    totals.extend(answer.total.map(|total| (name.clone(), json!(total))));
                    nexts.extend(answer.next.map(|next| (name.clone(), json!(next))));
                    times.push((name.clone(), self.time(caller, method)));
                    results.push((name, answer.result));
                }
                Err(refusal) => {
                    errors.push((name, refusal.json()));
                    if halts {
                        break;
                    }
                }
            }
        }
        Answer::of(json!({
            "result": php_map(results), "result_error": php_map(errors), "result_total": php_map(totals),
            "result_next": php_map(nexts), "result_time": php_map(times),
        }))
    }

    fn command(
        &self,
        caller: &Caller,
        command: &str,
        results: &[(String, Value)],
    ) -> Result<(Method, Answer), Refusal> {
        let (name, query) = command.split_once('?').unwrap_or((command, ""));
        let name = name.trim().trim_end_matches(".json");
        let method = Method::parse(name).filter(|method| method.generation() == Generation::V2);
        let method = method.ok_or_else(|| Refusal::no_method(Generation::V2))?;
        if !method.may_be_batched() {
            return Err(Refusal::v2(
                405,
                "ERROR_BATCH_METHOD_NOT_ALLOWED",
                "Method is not allowed for batch usage",
            ));
        }
        let mut params = Params::of_query(query);
        params.map_texts(&|text| refer(text, results));
        Ok((method, self.run_inside(caller, method, &params)?))
    }

    /// A bare array of `{"method", "query"}`. One failure fails the whole; what was done before it stays done, since
    /// nothing says that it is undone.
    pub(super) fn batch3(&self, caller: &Caller, params: &Params) -> Outcome {
        let commands: Vec<Value> = match serde_json::from_slice(&params.body) {
            Ok(Value::Array(all)) => all,
            _ => return Err(Refusal::v3(400, "INVALIDJSON", "Batch must be an array")),
        };
        let mut results = Vec::with_capacity(commands.len());
        for command in commands {
            let name = command.get("method").map(text).unwrap_or_default();
            let method = Method::parse(&format!("api/{name}")).filter(|method| method.may_be_batched());
            let method = method.ok_or_else(|| Refusal::no_method(Generation::V3))?;
            let query = command.get("query").cloned().unwrap_or_default();
            results.push(self.run_inside(caller, method, &Params::of_json(&query))?.result);
        }
        Ok(Answer::of(results.into()))
    }
}

/// `$result[first][task][id]`: the whole text is replaced by the value, a part of it by the value's text. What is not
/// there is nothing.
fn refer(given: &str, results: &[(String, Value)]) -> Option<Value> {
    let start = given.find("$result[")?;
    let rest = &given[start + "$result".len()..];
    let (mut end, mut path) = (0, Vec::new());
    while let Some(step) = rest[end..].strip_prefix('[') {
        let Some(close) = step.find(']') else { break };
        path.push(&step[..close]);
        end += close + 2;
    }
    let (first, inner) = path.split_first()?;
    let found = results.iter().find(|(name, _)| name == first).map(|(_, value)| value);
    let found = inner.iter().fold(found, |value, step| match value? {
        Value::Array(all) => all.get(step.parse::<usize>().ok()?),
        other => other.get(*step),
    });
    let value = found.cloned().unwrap_or_else(|| json!(""));
    if start == 0 && end == rest.len() {
        return Some(value);
    }
    let after = &rest[end..];
    let after = refer(after, results).map_or_else(|| after.to_owned(), |value| text(&value));
    Some(format!("{}{}{after}", &given[..start], text(&value)).into())
}
