//! Contents on their way to a host: streamed, never held whole, compressed where it pays.

use super::TransportError;
use crate::model::body::{Body, Bytes};
use crate::shell::apply::Encoding;
use async_compression::Level;
use async_compression::tokio::bufread::GzipEncoder;
use std::io::Cursor;
use tokio::fs::File;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};

/// Bytes that are read at once, and that are tried before anything is compressed.
const CHUNK: usize = 256 * 1024;

/// A body as a stream, and how it is encoded. `has_gzip`: whether the host can take compressed contents.
///
/// # Errors
/// Where the file with the contents cannot be opened any more.
pub async fn open(
    body: &Body,
    has_gzip: bool,
) -> Result<(Encoding, Box<dyn AsyncRead + Send + Unpin>), TransportError> {
    let mut reader: Box<dyn AsyncBufRead + Send + Unpin> = match &body.bytes {
        Bytes::Held(bytes) => Box::new(Cursor::new(bytes.clone())),
        Bytes::File(path) => {
            let open = File::open(path).await;
            let file = open.map_err(|e| TransportError::Local(format!("{}: {e}", path.display())))?;
            Box::new(BufReader::with_capacity(CHUNK, file))
        }
    };
    if has_gzip && shrinks(reader.as_mut()).await {
        return Ok((Encoding::Gzip, Box::new(GzipEncoder::with_quality(reader, Level::Fastest))));
    }
    Ok((Encoding::Plain, Box::new(reader)))
}

/// Whether the beginning of some contents becomes a good deal smaller by compression. Reads nothing away.
async fn shrinks(reader: &mut (dyn AsyncBufRead + Send + Unpin)) -> bool {
    let Ok(start) = reader.fill_buf().await else { return false };
    let sample = start.get(..start.len().min(CHUNK)).unwrap_or(start).to_vec();
    let mut packed = vec![];
    let read = GzipEncoder::with_quality(&sample[..], Level::Fastest).read_to_end(&mut packed).await;
    read.is_ok() && packed.len() < sample.len() / 4 * 3
}
