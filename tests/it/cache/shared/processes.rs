//! Two processes of the binary on one Redis.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;

use borodach::clock::SystemClock;
use borodach::sandbox::network::Network;
use borodach::sandbox::telegram::Telegram;
use borodach::sandbox::yclients::{Endpoint, Limits, YClients};

use super::*;
use crate::sandbox_yclients::today;

/// Calls a second that the processes may make altogether; the service refuses a tenth more.
const BUDGET: u32 = 20;
/// For how many calls they are watched, one for each salon.
const CALLS: u32 = 160;

/// A bot with a database of its own, which gathers the numbers of the network as soon as it starts.
struct Process {
    child: Child,
    address: SocketAddr,
    folder: TempDir,
}

impl Process {
    fn start(telegram: &Telegram, salons: &YClients, redis: &Server) -> Process {
        let folder = tempfile::tempdir().expect("a place for files");
        let config = format!("services: {{ yclients: {{ per_second: {BUDGET}, per_minute: off }} }}\n");
        std::fs::write(folder.path().join("config.yaml"), config).expect("the folder is ours");
        for name in ["flows", "scripts"] {
            let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
            std::os::unix::fs::symlink(shipped, folder.path().join(name)).expect("the folder is ours");
        }
        let log = File::create(folder.path().join("bot.log")).expect("the folder is ours");
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let child = Command::new(env!("CARGO_BIN_EXE_borodach"))
            .args(["run", "--dir"])
            .arg(folder.path())
            .env_remove("DATABASE_URL")
            .env("TELEGRAM_BOT_TOKEN", telegram.token())
            .env("TELEGRAM_API_URL", telegram.url().as_str())
            .env("YCLIENTS_API_URL", salons.url().as_str())
            .env("YCLIENTS_PARTNER_TOKEN", YClients::PARTNER)
            .env("YCLIENTS_USER_TOKEN", YClients::USER)
            .env("YCLIENTS_CHAIN_ID", Network::CHAIN.to_string())
            .env("REDIS_URL", format!("redis://127.0.0.1:{}/0", redis.port))
            .env("LISTEN_ADDR", address.to_string())
            .stderr(log)
            .spawn()
            .expect("the binary is built");
        Process { child, address, folder }
    }

    /// What it has said so far.
    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("bot.log")).expect("it has one")
    }

    /// How many numbers of salons it has got.
    async fn answers(&self) -> u64 {
        let url = format!("http://{}/metrics", self.address);
        let text = reqwest::get(url).await.expect("it runs").text().await.expect("a text");
        let name = "api_requests_total{service=\"yclients\",endpoint=\"analytics/overall\",outcome=\"ok\"} ";
        text.lines()
            .find_map(|line| line.strip_prefix(name))
            .map_or(0, |count| count.parse().expect("a count"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().and_then(|()| self.child.wait()).expect("it is our child");
    }
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn two_processes_keep_to_one_budget() {
    crate::crypto();
    let redis = Server::start("");
    drop(connected(&redis.settings()).await);
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let salons =
        YClients::start(anywhere, Network::new(CALLS as usize, today(), 7), Arc::new(SystemClock)).await;
    let salons = salons.expect("loopback has free ports");
    let allowed = BUDGET as usize + BUDGET as usize / 10;
    salons.set_limits(Limits { per_second: Some(allowed), per_minute: None, ..Limits::default() });
    let telegram =
        Telegram::start(anywhere, "1000000003:made-up-token").await.expect("loopback has free ports");
    let processes = [(); 2].map(|()| Process::start(&telegram, &salons, &redis));
    let watched = salons.wait_for(|salons| salons.calls(Endpoint::Overall) >= u64::from(CALLS));
    let watched = tokio::time::timeout(Duration::from_mins(2), watched).await;
    let logs = processes.each_ref().map(Process::log).join("\n");
    watched.unwrap_or_else(|_| panic!("they gather too slowly:\n{logs}"));
    assert_eq!(salons.refused_by_limits(), 0, "two budgets would be twice as much as is allowed");
    for process in &processes {
        let answers = process.answers().await;
        assert!(answers >= u64::from(CALLS / 5), "one got {answers} of {CALLS}");
    }
}
