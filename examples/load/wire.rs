//! HTTP/1.1 with kept connections and nothing else, so that the load costs the machine as little as it can.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A request or a response.
#[derive(Debug)]
pub struct Message {
    /// The request line or the status line.
    pub first: String,
    /// Whether the body is a form, as some libraries send; else it is JSON.
    pub is_form: bool,
    /// Whatever `Content-Length` announced.
    pub body: Vec<u8>,
}

/// One connection, either side of it.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

/// Nothing in a talk is longer.
const LARGEST: usize = 4 << 20;

impl Wire {
    /// A connection that has just been made.
    pub fn new(stream: TcpStream) -> io::Result<Wire> {
        stream.set_nodelay(true)?;
        Ok(Wire { stream, read: Vec::with_capacity(4096) })
    }

    /// The next message; `None` when the other side has closed.
    pub async fn receive(&mut self) -> io::Result<Option<Message>> {
        loop {
            if let Some(message) = self.cut()? {
                return Ok(Some(message));
            }
            if self.read.len() > LARGEST {
                return Err(malformed("the message is too long"));
            }
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Sends a head, which ends with its last header's line break, and a body.
    pub async fn send(&mut self, head: &str, body: &str) -> io::Result<()> {
        let length = body.len();
        let text = format!("{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}");
        self.stream.write_all(text.as_bytes()).await
    }

    /// Takes the first whole message off what was read.
    fn cut(&mut self) -> io::Result<Option<Message>> {
        let Some(end) = self.read.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Ok(None);
        };
        let head = std::str::from_utf8(&self.read[..end]).map_err(|_| malformed("the head is not text"))?;
        let mut lines = head.split("\r\n");
        let first = lines.next().unwrap_or_default().to_owned();
        let (mut length, mut is_form) = (0, false);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().map_err(|_| malformed("the length is not a number"))?;
            } else if name.eq_ignore_ascii_case("content-type") {
                is_form = value.starts_with("application/x-www-form-urlencoded");
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                return Err(malformed("the body comes in chunks"));
            }
        }
        let body = end + 4..end + 4 + length;
        if self.read.len() < body.end {
            return Ok(None);
        }
        let message = Message { first, is_form, body: self.read[body.clone()].to_vec() };
        self.read.drain(..body.end);
        Ok(Some(message))
    }
}

fn malformed(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
