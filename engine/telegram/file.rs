//! Files that people sent: their bytes come as a stream, and are never whole in memory.

use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use teloxide::payloads::GetFile;
use teloxide::types::FileId;

use super::{Client, Error, Request};

/// How long the way of one file may take.
const PATIENCE: Duration = Duration::from_mins(3);

/// A file on Telegram's server.
#[derive(Clone, Debug)]
pub struct Source {
    /// How large it is.
    pub size_bytes: u64,
    http: reqwest::Client,
    /// With the token inside.
    address: SecretString,
}

/// What `getFile` tells.
#[derive(Deserialize)]
struct Told {
    file_path: Option<String>,
    file_size: Option<u64>,
}

impl Client {
    /// Finds a file by its id. Errors: Telegram's; it gives bots files up to 20 MB, and their addresses for an hour.
    pub async fn file(&self, id: &str) -> Result<Source, Error> {
        let request = Request::of(&GetFile::new(FileId(id.to_owned())));
        let told: Told = self.call(request).await?;
        let (Some(path), Some(size_bytes)) = (told.file_path, told.file_size) else {
            let description = "the file is gone from Telegram's server".to_owned();
            return Err(Error::Refused { method: "getFile", code: 400, description, moved_to: None });
        };
        let (http, address) = self.at_file(&path);
        Ok(Source { size_bytes, http, address })
    }
}

impl Source {
    /// The bytes from the first on. Nothing is asked for before somebody wants them.
    pub fn open(&self) -> reqwest::Body {
        let request = self.http.get(self.address.expose_secret()).timeout(PATIENCE);
        let answer = async move {
            let response = request.send().await.and_then(reqwest::Response::error_for_status);
            let hidden = reqwest::Error::without_url; // The address holds the token.
            response.map(|response| response.bytes_stream().map_err(hidden)).map_err(hidden)
        };
        reqwest::Body::wrap_stream(futures::stream::once(answer).try_flatten().boxed())
    }
}
