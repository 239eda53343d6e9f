//! Files on the portal's disk, and their ties to tasks.

use reqwest::multipart::{Form, Part};
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;

use super::batch::Command;
use super::client::Request;
use super::code::Refusal;
use super::wire;
use super::{AttachmentId, Client, Error, FileId, FolderId, GroupId, TaskId};
use crate::http::{Effect, Verdict};

const STORAGES: &str = "disk.storage.getlist";
const CHILDREN: &str = "disk.folder.getchildren";
const UPLOAD: &str = "disk.folder.uploadfile";
/// The second request of an upload, which has an address of its own.
const UPLOAD_BYTES: &str = "upload";
const ATTACH: &str = "tasks.task.files.attach";
const ATTACHED: &str = "disk.attachedObject.get";

/// The disk of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// Its id.
    pub id: i64,
    /// What people see.
    pub name: String,
    /// The folder at its top, in which files are put.
    pub folder: FolderId,
}

/// What is in a file to upload. It goes in one request when it is small, and in two when it is not.
pub enum Content<'a> {
    /// Bytes at hand.
    Bytes(&'a [u8]),
    /// Bytes that come as they go out, opened anew for each attempt.
    Stream {
        /// How many will come, exactly.
        size_bytes: u64,
        /// Begins from the first byte.
        open: &'a (dyn Fn() -> reqwest::Body + Sync),
    },
}

impl Content<'_> {
    /// How much there is.
    pub fn size_bytes(&self) -> u64 {
        match self {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Stream { size_bytes, .. } => *size_bytes,
        }
    }
}

impl Client {
    /// The disk of a project; `None` when it has none, or it is not ours to see. Source: `disk.storage.getlist`.
    pub async fn storage(&self, group: GroupId) -> Result<Option<Storage>, Error> {
        let filter = json!({ "ENTITY_TYPE": "group", "ENTITY_ID": group });
        let rows: Vec<StorageRow> = self.ask(STORAGES, &json!({ "filter": filter })).await?;
        let own = rows.into_iter().find(|row| row.entity_type == "group" && row.entity_id == Some(group.0));
        Ok(own.map(|row| Storage { id: row.id, name: row.name, folder: FolderId(row.root_object_id) }))
    }

    /// Puts a file into a folder under a name that nothing else may bear: a file of the same name and size that is there
    /// already counts as this one, which is what makes a repetition harmless. Give it the key of its write.
    ///
    /// Errors: [`Refusal::NotSaved`], most often a full disk, after a second try; [`Refusal::NameTaken`] when another
    /// file has the name. Source: `disk.folder.uploadfile`, `ID` in the answer.
    pub async fn upload(&self, folder: FolderId, name: &str, content: Content<'_>) -> Result<FileId, Error> {
        let outcome = match self.put(folder, name, &content).await {
            Err(error) if error.is_worth_a_second_try() => self.put(folder, name, &content).await,
            outcome => outcome,
        };
        let error = match outcome {
            Ok(row) => return row.checked(&content),
            Err(error) => error,
        };
        if error.refusal() != Some(Refusal::NameTaken) {
            return Err(error);
        }
        let same = self.find_file(folder, name, content.size_bytes()).await?;
        same.ok_or(error)
    }

    async fn put(&self, folder: FolderId, name: &str, content: &Content<'_>) -> Result<FileRow, Error> {
        let limit = self.inner.settings.inline_file.get().map_or(0, crate::config::Size::bytes);
        match content {
            Content::Bytes(bytes) if bytes.len() <= limit => self.put_inline(folder, name, bytes).await,
            Content::Bytes(_) | Content::Stream { .. } => self.put_apart(folder, name, content).await,
        }
    }

    /// In one request, a third larger than the file.
    async fn put_inline(&self, folder: FolderId, name: &str, bytes: &[u8]) -> Result<FileRow, Error> {
        let upload = json!({
            "id": folder,
            "data": { "NAME": name },
            "fileContent": [name, base64(bytes)],
            "generateUniqueName": false,
        });
        self.ask(UPLOAD, &upload).await
    }

    /// In two requests: the first asks where to, the second carries the bytes as they are.
    async fn put_apart(&self, folder: FolderId, name: &str, content: &Content<'_>) -> Result<FileRow, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Place {
            field: String,
            upload_url: String,
        }
        let place: Place = self.ask(UPLOAD, &json!({ "id": folder })).await?;
        let is_safe = Url::parse(&place.upload_url)
            .is_ok_and(|url| url.scheme() == "https" || url.scheme() == self.inner.address.portal().scheme());
        if !is_safe {
            return Err(Error::malformed(
                UPLOAD,
                "result.uploadUrl",
                "it is no address that is safe to send a file to",
            ));
        }
        self.send(UPLOAD_BYTES, &place.upload_url, |request| {
            let part = match content {
                Content::Bytes(bytes) => Part::bytes(bytes.to_vec()),
                Content::Stream { size_bytes, open } => Part::stream_with_length(open(), *size_bytes),
            };
            request.multipart(Form::new().part(place.field.clone(), part.file_name(name.to_owned())))
        })
        .await
    }

    /// The file of this name and size in a folder.
    async fn find_file(
        &self,
        folder: FolderId,
        name: &str,
        size_bytes: u64,
    ) -> Result<Option<FileId>, Error> {
        let mut start = 0;
        loop {
            let children = json!({ "id": folder, "filter": { "NAME": name }, "start": start });
            let rows: Vec<FileRow> = self.ask(CHILDREN, &children).await?;
            let is_last = rows.len() < 50;
            let is_same = |row: &&FileRow| row.name == name && row.is_file() && row.may_have(size_bytes);
            if let Some(row) = rows.iter().find(is_same) {
                return Ok(Some(FileId(row.id)));
            }
            if is_last {
                return Ok(None);
            }
            start += 50;
        }
    }

    /// Attaches a file of the disk to a task, unless it is attached already. In doubt call it again: it looks first.
    ///
    /// Errors: [`Refusal::NotFound`] when there is no such task; [`Refusal::NotAllowed`] or [`Refusal::Other`] without
    /// rights on the task or the file. Source: `tasks.task.files.attach`.
    pub async fn attach(&self, task: TaskId, file: FileId) -> Result<AttachmentId, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Attached {
            #[serde(deserialize_with = "wire::id")]
            attachment_id: i64,
        }
        if let Some(attachment) = self.attachment(task, file).await? {
            return Ok(attachment);
        }
        let body = serde_json::to_vec(&Attach { task_id: task, file_id: file }).expect("two numbers");
        let request = Request { method: ATTACH, body, effect: Effect::Write, write: None, header: None };
        match self.perform::<Attached>(&request).await {
            Ok(answer) => Ok(AttachmentId(answer.value.attachment_id)),
            Err(error) if error.verdict() == Verdict::LookFirst => {
                self.attachment(task, file).await?.ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// The tie of a file to a task, if there is one. Source: `disk.attachedObject.get` for each of the task's files.
    async fn attachment(&self, task: TaskId, file: FileId) -> Result<Option<AttachmentId>, Error> {
        let (_, attachments) = self.whole_task(task).await?.ok_or_else(|| Error::no_task(ATTACH, task))?;
        let commands: Vec<_> =
            attachments.iter().map(|id| Command::new(ATTACHED, &json!({ "id": id }))).collect();
        for row in self.batch::<AttachedRow>(&commands).await? {
            match row {
                Ok(row) if row.object_id == file.0 => return Ok(Some(AttachmentId(row.id))),
                // One that is gone meanwhile, or is not ours to see, is not the one looked for.
                Ok(_) => {}
                Err(error) if error.refusal().is_some() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

impl Error {
    /// Whether an upload that ended so is to be tried once more: its name keeps it from being there twice.
    fn is_worth_a_second_try(&self) -> bool {
        self.verdict() == Verdict::LookFirst || self.refusal() == Some(Refusal::NotSaved)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Attach {
    task_id: TaskId,
    file_id: FileId,
}

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
struct StorageRow {
    #[serde(deserialize_with = "wire::id")]
    id: i64,
    #[serde(default, deserialize_with = "wire::text")]
    name: String,
    #[serde(default, deserialize_with = "wire::text")]
    entity_type: String,
    #[serde(default, deserialize_with = "wire::optional_id")]
    entity_id: Option<i64>,
    #[serde(deserialize_with = "wire::id")]
    root_object_id: i64,
}

/// An object on the disk. Its `FILE_ID` is not read: it is the number of something else.
#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
struct FileRow {
    #[serde(deserialize_with = "wire::id")]
    id: i64,
    #[serde(default, deserialize_with = "wire::text")]
    name: String,
    #[serde(default, rename = "TYPE", deserialize_with = "wire::text")]
    kind: String,
    #[serde(default, deserialize_with = "wire::optional_number")]
    size: Option<i64>,
}

impl FileRow {
    fn is_file(&self) -> bool {
        self.kind.is_empty() || self.kind == "file"
    }

    /// Whether it may be a file of this size: not every list tells.
    fn may_have(&self, size_bytes: u64) -> bool {
        self.size.is_none_or(|size| u64::try_from(size) == Ok(size_bytes))
    }

    /// The file, if it came whole.
    fn checked(self, content: &Content<'_>) -> Result<FileId, Error> {
        if self.may_have(content.size_bytes()) {
            return Ok(FileId(self.id));
        }
        Err(Error::malformed(UPLOAD, "result.SIZE", "another size was saved than was sent"))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
struct AttachedRow {
    #[serde(deserialize_with = "wire::id")]
    id: i64,
    #[serde(deserialize_with = "wire::id")]
    object_id: i64,
}

/// Bytes as text, three in four characters.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |place: usize| u32::from(three.get(place).copied().unwrap_or(0));
        let bits = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        for place in 0..4 {
            let is_padding = place > three.len();
            let index = ((bits >> (18 - 6 * place)) & 63) as usize;
            text.push(if is_padding { '=' } else { char::from(ALPHABET[index]) });
        }
    }
    text
}
