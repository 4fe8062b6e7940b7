//! A wire to the broker that can be cut and frozen: TCP in, TCP out, bytes as they come.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// A forwarded address. Dropped, it cuts everything and stops listening.
#[derive(Debug)]
pub struct Wire {
    /// Where to dial.
    pub address: SocketAddr,
    state: Arc<watch::Sender<State>>,
    accepting: JoinHandle<()>,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// Connections of an earlier number are to be reset.
    cuts: u64,
    frozen: bool,
}

impl Wire {
    /// Forwards connections to `target`.
    pub async fn to(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = Arc::new(watch::Sender::new(State::default()));
        let accepting = tokio::spawn(accept(listener, target, Arc::clone(&state)));
        Ok(Self { address, state, accepting })
    }

    /// Resets every connection. New ones are accepted.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// Holds all bytes back; connections stay.
    pub fn freeze(&self) {
        self.state.send_modify(|state| state.frozen = true);
    }

    /// Lets go what was held back.
    pub fn thaw(&self) {
        self.state.send_modify(|state| state.frozen = false);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, state: Arc<watch::Sender<State>>) {
    let mut connections = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        let state = state.subscribe();
        connections.spawn(async move {
            // A connection that fails is closed, which is all that its ends may learn.
            let _ = carry(near, target, state).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn carry(near: TcpStream, target: SocketAddr, mut state: watch::Receiver<State>) -> Result<()> {
    let far = TcpStream::connect(target).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let cuts = state.borrow().cuts;
    let (near_in, near_out) = near.into_split();
    let (far_in, far_out) = far.into_split();
    let mut up = std::pin::pin!(copy(near_in, far_out, state.clone()));
    let mut down = std::pin::pin!(copy(far_in, near_out, state.clone()));
    tokio::select! {
        _ = state.wait_for(|state| state.cuts != cuts) => {}
        // One direction that ends ends both: the peers close MQTT connections as a whole.
        result = &mut up => result?,
        result = &mut down => result?,
    }
    Ok(())
}

/// Both halves are reset when a copy is dropped, so that a cut looks like one.
async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut state: watch::Receiver<State>) -> Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        state.wait_for(|state| !state.frozen).await?;
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            to.shutdown().await?;
            return Ok(());
        }
        state.wait_for(|state| !state.frozen).await?;
        to.write_all(&buffer[..length]).await?;
    }
}
