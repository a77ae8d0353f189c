//! A TCP connection on which neither end waits for the other without need.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long an address is tried alone before the next one is, too (RFC 8305, 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// Connects to whichever of a name's addresses answers first. One that is silent, as IPv6 is behind many a firewall,
/// holds up no other.
///
/// # Errors
/// What the first of them that failed has said.
pub async fn dial(addresses: impl Iterator<Item = SocketAddr>) -> io::Result<TcpStream> {
    let mut addresses = addresses.peekable();
    let mut tries = JoinSet::new();
    let mut failed = None;
    loop {
        if let Some(address) = addresses.next() {
            tries.spawn(TcpStream::connect(address));
        }
        let next = tries.join_next();
        let ended = match addresses.peek() {
            Some(_) => timeout(HEAD_START, next).await.ok().flatten(),
            None => match next.await {
                Some(ended) => Some(ended),
                None => return Err(failed.unwrap_or_else(|| io::Error::other("it has no address"))),
            },
        };
        match ended {
            Some(Ok(Ok(stream))) => return Ok(stream),
            Some(Ok(Err(error))) => failed = failed.or(Some(error)),
            Some(Err(error)) => failed = failed.or(Some(error.into())),
            None => {}
        }
    }
}

/// A stream that acknowledges at once what it has read.
///
/// While a session is set up, sshd sends small packets one after another with Nagle's algorithm on, so that the second
/// waits for the first one's acknowledgement; and Linux holds that back for 40 ms.
pub struct Socket(TcpStream);

impl Socket {
    /// # Errors
    /// Where the connection is gone already.
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.0).poll_read(cx, buf);
        // The kernel takes it back by itself after a while. A system that does not have it is only slower.
        #[cfg(target_os = "linux")]
        let _ = rustix::net::sockopt::set_tcp_quickack(&self.0, true);
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::{TcpListener, TcpSocket};

    #[tokio::test]
    async fn an_address_that_refuses_gives_way_to_the_next() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = listener.local_addr().unwrap();
        // Nobody listens there, and nobody else can.
        let bound = TcpSocket::new_v4().unwrap();
        bound.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let gone = bound.local_addr().unwrap();
        let stream = dial([gone, there].into_iter()).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), there);
        assert_eq!(dial([gone].into_iter()).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert!(dial(std::iter::empty()).await.is_err());
    }

    /// A listener whose queue is full drops what comes, as a firewall does.
    #[tokio::test]
    async fn an_address_that_is_silent_holds_up_no_other() {
        let silent = TcpSocket::new_v4().unwrap();
        silent.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let silent = silent.listen(0).unwrap();
        let mute = silent.local_addr().unwrap();
        let _fills = TcpStream::connect(mute).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = listener.local_addr().unwrap();
        let stream = timeout(Duration::from_secs(30), dial([mute, there].into_iter())).await.unwrap().unwrap();
        assert_eq!(stream.peer_addr().unwrap(), there);
    }
}
