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
    send(server, "GET", path, "").await
}

/// Puts `body` at `path` of `server`; `more` are further header lines, each with its end.
pub async fn put(server: SocketAddr, path: &str, more: &str, body: &str) -> Result<Response> {
    send(server, "PUT", path, &format!("Content-Length: {}\r\n{more}\r\n{body}", body.len())).await
}

async fn send(server: SocketAddr, method: &str, path: &str, rest: &str) -> Result<Response> {
    let mut stream = TcpStream::connect(server).await?;
    // HTTP/1.0, so that the body is neither chunked nor followed by anything.
    let end = if rest.is_empty() { "\r\n" } else { rest };
    let request = format!("{method} {path} HTTP/1.0\r\nHost: {server}\r\n{end}");
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").context("no end of the head")?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no status")?;
    Ok(Response { status, head: head.to_owned(), body: body.to_owned() })
}
