//! A TCP proxy that delays: each byte arrives half a round trip after it was sent, however many there are.

use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Its port; it ends with the runtime.
pub fn start(runtime: &tokio::runtime::Runtime, to: u16, round_trip: Duration) -> u16 {
    let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).expect("a listener");
    let port = listener.local_addr().expect("its address").port();
    runtime.spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            tokio::spawn(async move {
                // TCP's own handshake takes a round trip too.
                tokio::time::sleep(round_trip).await;
                let Ok(far) = TcpStream::connect(("127.1.0.1", to)).await else { return };
                let (_, _) = (near.set_nodelay(true), far.set_nodelay(true));
                let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                tokio::join!(delay(near_in, far_out, round_trip / 2), delay(far_in, near_out, round_trip / 2));
            });
        }
    });
    port
}

async fn delay(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, by: Duration) {
    let (send, mut due) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let read = async move {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(n @ 1..) = from.read(&mut buffer).await {
            if send.send((Instant::now() + by, buffer[..n].to_vec())).is_err() {
                break;
            }
        }
    };
    let write = async move {
        while let Some((at, bytes)) = due.recv().await {
            tokio::time::sleep_until(at).await;
            if to.write_all(&bytes).await.is_err() {
                break;
            }
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(read, write);
}
