//! Files of both sides: kept under their ids, measured as the server measures them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use axum::body::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::params::Params;
use super::refusal::Refusal;
use super::{read, write};

/// What `getFile` gives at most.
pub(super) const MAX_DOWNLOAD: usize = 20 << 20;
const MAX_UPLOAD: usize = 50 << 20;
const MAX_PHOTO_UPLOAD: usize = 10 << 20;

/// A file kept by the sandbox.
#[derive(Debug, PartialEq, Eq)]
pub struct File {
    /// Permanent; fetches the file.
    pub id: String,
    /// The same for the same content; fetches nothing.
    pub unique_id: String,
    /// The name it came with.
    pub name: String,
    /// Guessed from the name.
    pub mime: &'static str,
    /// `photos/file_1.jpg`.
    pub path: String,
    /// The content.
    pub bytes: Bytes,
}

/// A picture in several sizes, from the smallest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Photo {
    sizes: Vec<(u32, u32, Arc<File>)>,
}

impl Photo {
    /// The file of the largest size.
    pub fn largest(&self) -> &File {
        let (_, _, file) = self.sizes.last().expect("a photo is made with at least one size");
        file
    }

    pub(super) fn json(&self) -> Value {
        let size = |(width, height, file): &(u32, u32, Arc<File>)| {
            json!({
                "file_id": file.id, "file_unique_id": file.unique_id, "width": width, "height": height,
                "file_size": file.bytes.len(),
            })
        };
        self.sizes.iter().map(size).collect()
    }
}

/// A file sent as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document(pub Arc<File>);

impl Document {
    pub(super) fn json(&self) -> Value {
        let file = &self.0;
        json!({
            "file_id": file.id, "file_unique_id": file.unique_id, "file_name": file.name, "mime_type": file.mime,
            "file_size": file.bytes.len(),
        })
    }
}

/// Every file, by id and by path.
#[derive(Debug, Default)]
pub(super) struct Files {
    next: AtomicU64,
    shelves: RwLock<Shelves>,
}

#[derive(Debug, Default)]
struct Shelves {
    by_id: HashMap<String, Stored>,
    by_path: HashMap<String, Arc<File>>,
}

#[derive(Clone, Debug)]
enum Stored {
    Photo(Photo, Arc<File>),
    Document(Document),
}

impl Stored {
    fn file(&self) -> &Arc<File> {
        match self {
            Stored::Photo(_, file) | Stored::Document(Document(file)) => file,
        }
    }
}

impl Files {
    /// Keeps a document.
    pub fn document(&self, name: &str, bytes: Bytes) -> Document {
        let name = if name.is_empty() { "file" } else { name };
        let document = Document(Arc::new(self.file("documents", "BQAC", name, bytes)));
        self.put(&document.0, Stored::Document(document.clone()));
        document
    }

    /// Keeps a picture; `measure` is its width and height in pixels.
    pub fn photo(&self, bytes: &Bytes, (width, height): (u32, u32)) -> Photo {
        let longest = width.max(height);
        let scaled = |side: u32, to: u32| u32::try_from(u64::from(side) * u64::from(to) / u64::from(longest));
        let mut sizes: Vec<(u32, u32, Arc<File>)> = Vec::new();
        for to in [90, 320, 800].into_iter().filter(|to| *to < longest).chain([longest]) {
            let file = Arc::new(self.file("photos", "AgAC", "photo.jpg", bytes.clone()));
            let side = |full| scaled(full, to).unwrap_or(full).max(1);
            sizes.push((side(width), side(height), file));
        }
        let photo = Photo { sizes };
        for (_, _, file) in &photo.sizes {
            self.put(file, Stored::Photo(photo.clone(), Arc::clone(file)));
        }
        photo
    }

    /// The file with this id.
    pub fn by_id(&self, id: &str) -> Option<Arc<File>> {
        read(&self.shelves).by_id.get(id).map(|stored| Arc::clone(stored.file()))
    }

    /// The file at this path.
    pub fn by_path(&self, path: &str) -> Option<Arc<File>> {
        read(&self.shelves).by_path.get(path).cloned()
    }

    /// The picture that a bot sends: `given` is a file id, a URL, or `attach://part`.
    pub fn sent_photo(&self, params: &Params, given: &Given<'_>) -> Result<Photo, Refusal> {
        match self.sent(params, given, MAX_PHOTO_UPLOAD)? {
            Sent::Kept(Stored::Photo(photo, _)) => Ok(photo),
            Sent::Kept(Stored::Document(_)) => {
                Err(Refusal::bad_request("can't use file of type Document as Photo"))
            }
            Sent::New(_, bytes) => {
                let (width, height) =
                    measure(&bytes).ok_or_else(|| Refusal::bad_request("IMAGE_PROCESS_FAILED"))?;
                let (short, long) = (width.min(height).max(1), width.max(height));
                if width + height > 10_000 || long / short > 20 {
                    return Err(Refusal::bad_request("PHOTO_INVALID_DIMENSIONS"));
                }
                Ok(self.photo(&bytes, (width, height)))
            }
        }
    }

    /// The document that a bot sends.
    pub fn sent_document(&self, params: &Params, given: &Given<'_>) -> Result<Document, Refusal> {
        match self.sent(params, given, MAX_UPLOAD)? {
            Sent::Kept(Stored::Document(document)) => Ok(document),
            Sent::Kept(Stored::Photo(..)) => {
                Err(Refusal::bad_request("can't use file of type Photo as Document"))
            }
            Sent::New(name, bytes) => Ok(self.document(&name, bytes)),
        }
    }

    fn sent(&self, params: &Params, given: &Given<'_>, limit: usize) -> Result<Sent, Refusal> {
        let upload = match given {
            Given::Parameter(name) => params.upload(name),
            Given::Media(_) => None,
        };
        let reference = match given {
            Given::Parameter(name) => params.text(name).unwrap_or_default().into_owned(),
            Given::Media(reference) => (*reference).to_owned(),
        };
        let upload = upload.or_else(|| params.upload(reference.strip_prefix("attach://")?));
        if let Some(upload) = upload {
            if upload.bytes.is_empty() {
                return Err(Refusal::bad_request("file must be non-empty"));
            }
            if upload.bytes.len() > limit {
                return Err(Refusal::too_large());
            }
            return Ok(Sent::New(upload.name.clone(), upload.bytes.clone()));
        }
        if reference.is_empty() {
            let what = match given {
                Given::Parameter(name) => name,
                Given::Media(_) => "media",
            };
            return Err(Refusal::bad_request(&format!("there is no {what} in the request")));
        }
        if reference.starts_with("http://") || reference.starts_with("https://") {
            // A sandbox does not go out.
            return Err(Refusal::bad_request("failed to get HTTP URL content"));
        }
        let kept = read(&self.shelves).by_id.get(&reference).cloned();
        kept.map(Sent::Kept).ok_or_else(|| Refusal::bad_request("wrong file identifier/HTTP URL specified"))
    }

    fn file(&self, folder: &str, prefix: &str, name: &str, bytes: Bytes) -> File {
        let number = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let digest = Sha256::digest(&bytes);
        let first = digest.first_chunk().expect("a SHA-256 digest has 32 bytes");
        let unique_id = format!("{:016x}", u64::from_be_bytes(*first));
        let extension = name.rsplit_once('.').map_or("bin", |(_, extension)| extension);
        File {
            id: format!("{prefix}Ag{unique_id}{number:08}"),
            path: format!("{folder}/file_{number}.{extension}"),
            unique_id,
            name: name.to_owned(),
            mime: mime(extension),
            bytes,
        }
    }

    fn put(&self, file: &Arc<File>, stored: Stored) {
        let mut shelves = write(&self.shelves);
        shelves.by_path.insert(file.path.clone(), Arc::clone(file));
        shelves.by_id.insert(file.id.clone(), stored);
    }
}

/// Where a call names its file.
pub(super) enum Given<'a> {
    /// In the parameter, or in the part, with this name.
    Parameter(&'a str),
    /// In `media` of an album: a file id, a URL or `attach://part`.
    Media(&'a str),
}

enum Sent {
    Kept(Stored),
    New(String, Bytes),
}

fn mime(extension: &str) -> &'static str {
    match extension.to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "csv" => "text/csv",
        "zip" => "application/zip",
        "mp4" => "video/mp4",
        "doc" => "application/msword",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xls" => "application/vnd.ms-excel",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        _ => "application/octet-stream",
    }
}

/// Width and height of a PNG, GIF, JPEG or WebP, read from its header.
pub(super) fn measure(bytes: &[u8]) -> Option<(u32, u32)> {
    let big = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let little = |at: usize| Some(u32::from(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?)));
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Some((big(16)?, big(20)?)).filter(|(width, height)| *width > 0 && *height > 0);
    }
    if bytes.starts_with(b"GIF8") {
        return Some((little(6)?, little(8)?));
    }
    if bytes.starts_with(b"RIFF") && bytes.get(8..15)? == b"WEBPVP8" {
        return webp(bytes);
    }
    if bytes.starts_with(&[0xFF, 0xD8]) { jpeg(bytes) } else { None }
}

fn webp(bytes: &[u8]) -> Option<(u32, u32)> {
    let byte = |at: usize| bytes.get(at).copied().map(u32::from);
    let pair = |at: usize| Some(byte(at)? | byte(at + 1)? << 8);
    match bytes.get(15)? {
        b' ' => Some((pair(26)? & 0x3FFF, pair(28)? & 0x3FFF)),
        b'L' => {
            let bits = pair(21)? | pair(23)? << 16;
            Some(((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1))
        }
        b'X' => Some(((pair(24)? | byte(26)? << 16) + 1, (pair(27)? | byte(29)? << 16) + 1)),
        _ => None,
    }
}

/// Walks the segments up to the one that starts a frame.
fn jpeg(bytes: &[u8]) -> Option<(u32, u32)> {
    let pair = |at: usize| Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let mut at = 2;
    loop {
        let marker = *bytes.get(at + 1)?;
        if bytes[at] != 0xFF {
            return None;
        }
        let is_frame = (0xC0..=0xCF).contains(&marker) && ![0xC4, 0xC8, 0xCC].contains(&marker);
        if is_frame {
            return Some((u32::from(pair(at + 7)?), u32::from(pair(at + 5)?)));
        }
        at += 2 + usize::from(pair(at + 2)?);
    }
}
