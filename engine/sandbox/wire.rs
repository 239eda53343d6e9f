//! Connections that break on purpose.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::connect_info::Connected;
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// Cuts the connection it belongs to: the answer is never written, and the client sees a reset.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    is_made: Arc<AtomicBool>,
    peer: IpAddr,
}

impl Cut {
    /// The answer that is no answer.
    pub fn now(&self) -> Response {
        self.is_made.store(true, Ordering::Release);
        Response::new(Body::empty())
    }

    /// Who is at the other end.
    pub fn peer(&self) -> IpAddr {
        self.peer
    }

    fn is_made(&self) -> bool {
        self.is_made.load(Ordering::Acquire)
    }
}

impl Connected<IncomingStream<'_, Breakable>> for Cut {
    fn connect_info(stream: IncomingStream<'_, Breakable>) -> Cut {
        stream.io().cut.clone()
    }
}

/// A listener whose connections can be cut by the handlers they serve.
pub(super) struct Breakable(pub TcpListener);

impl Listener for Breakable {
    type Io = Wire;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Wire, Self::Addr) {
        let (stream, addr) = Listener::accept(&mut self.0).await;
        // Without it small answers wait for the client's acknowledgement; a failure only costs that time.
        let _ = stream.set_nodelay(true);
        (Wire { stream, cut: Cut { is_made: Arc::default(), peer: addr.ip() } }, addr)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

pub(super) struct Wire {
    stream: TcpStream,
    cut: Cut,
}

impl Wire {
    fn check(&self) -> io::Result<()> {
        if !self.cut.is_made() {
            return Ok(());
        }
        // Closing without lingering sends RST instead of FIN.
        self.stream.set_zero_linger()?;
        Err(io::ErrorKind::ConnectionReset.into())
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
