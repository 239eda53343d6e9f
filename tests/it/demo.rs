//! What a newcomer runs first: the demo, with somebody in it who has asked for things already.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

const MARINA: i64 = 504;

/// The demo as a process of its own.
struct Demo {
    process: Child,
    address: String,
}

impl Demo {
    /// Starts it and waits until it says where it is.
    async fn start() -> Demo {
        crate::crypto();
        let mut command = Command::new(env!("CARGO_BIN_EXE_borodach"));
        command
            .args(["demo", "--dir"])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")))
            .env("LISTEN_ADDR", "127.0.0.1:0");
        let mut process =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the binary is built");
        let said = BufReader::new(process.stdout.take().expect("it is piped"));
        let address = tokio::task::spawn_blocking(move || {
            let mut lines = said.lines().map_while(Result::ok);
            lines.find_map(|line| Some(line.split_once("http://")?.1.to_owned()))
        });
        let address = address.await.expect("reading does not panic").expect("it says where it is");
        Demo { process, address: format!("http://{}", address.trim().trim_end_matches('/')) }
    }

    async fn act(&self, act: Value) {
        let acted =
            reqwest::Client::new().post(format!("{}/sandbox/act", self.address)).json(&act).send().await;
        acted.and_then(reqwest::Response::error_for_status).expect("the act is allowed");
    }

    /// Waits until the last message in Marina's chat holds these words, and returns it.
    async fn hears(&self, words: &str) -> Value {
        let chat = format!("{}/sandbox/chats/{MARINA}?as={MARINA}", self.address);
        let heard = async {
            loop {
                let chat: Value = reqwest::get(&chat).await.expect("it answers").json().await.expect("JSON");
                let last =
                    chat["messages"].as_array().and_then(|all| all.last()).cloned().unwrap_or_default();
                if last["html"].as_str().is_some_and(|html| html.contains(words))
                    && last["from"]["bot"] == true
                {
                    return last;
                }
            }
        };
        tokio::time::timeout(Duration::from_mins(1), heard)
            .await
            .unwrap_or_else(|_| panic!("«{words}» is not said"))
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Already gone, if it failed.
        let _ = self.process.kill().and_then(|()| self.process.wait().map(drop));
    }
}

#[tokio::test]
async fn the_demos_partner_finds_her_tasks_on_every_stage() {
    let demo = Demo::start().await;
    demo.act(json!({ "as": MARINA, "chat": MARINA, "do": "text", "text": "📋 Задачи" })).await;
    let asked = demo.hears("Что с задачами?").await;
    let rows = asked["buttons"].as_array().expect("rows");
    let row = rows.iter().position(|row| row[0]["label"] == "🗂 Все задачи").expect("the button");
    demo.act(
        json!({ "as": MARINA, "chat": MARINA, "do": "press", "message": asked["id"], "row": row, "col": 0 }),
    )
    .await;
    let all = demo.hears("Все задачи</b>: 4").await;
    for stage in ["Новая", "Выполняется", "На проверке", "Завершена"] {
        assert!(all["html"].as_str().expect("a text").contains(stage), "{stage} is missing: {all}");
    }
}
