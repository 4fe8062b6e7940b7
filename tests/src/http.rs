//! Just enough HTTP to ask the services for `/ready`, `/metrics` and the like.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer.
#[derive(Debug)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Header lines, as they came.
    pub head: String,
    /// Body, decoded as text.
    pub body: String,
}

/// Gets `path` from `server`.
pub async fn get(server: SocketAddr, path: &str) -> Result<Response> {
    let mut stream = TcpStream::connect(server).await?;
    // HTTP/1.0, so that the body is neither chunked nor followed by anything.
    let request = format!("GET {path} HTTP/1.0\r\nHost: {server}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").context("no end of the head")?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no status")?;
    Ok(Response { status, head: head.to_owned(), body: body.to_owned() })
}
