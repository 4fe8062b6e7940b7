//! A wire that can be cut, frozen and made long: TCP in, TCP out, bytes as they come.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

/// Reads that are under way on a long wire: of 64 KB each, more than the streams of a test make in a second.
const UNDER_WAY: usize = 64;

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
    /// New connections are reset too.
    severed: bool,
    /// How long bytes take, each way.
    length: Duration,
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

    /// Resets every connection, and each new one until it is [mended](Self::mend).
    pub fn sever(&self) {
        self.state.send_modify(|state| {
            state.cuts += 1;
            state.severed = true;
        });
    }

    /// Lets new connections through again.
    pub fn mend(&self) {
        self.state.send_modify(|state| state.severed = false);
    }

    /// From now on bytes take this long, each way; none are lost, and none overtakes another.
    pub fn lengthen(&self, length: Duration) {
        self.state.send_modify(|state| state.length = length);
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
        if state.borrow().severed {
            continue;
        }
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
async fn copy(from: OwnedReadHalf, to: OwnedWriteHalf, state: watch::Receiver<State>) -> Result<()> {
    let (sender, receiver) = mpsc::channel(UNDER_WAY);
    tokio::try_join!(take(from, sender, state.clone()), give(receiver, to, state))?;
    Ok(())
}

async fn take(
    mut from: OwnedReadHalf,
    under_way: mpsc::Sender<(Instant, Bytes)>,
    mut state: watch::Receiver<State>,
) -> Result<()> {
    let mut buffer = BytesMut::new();
    loop {
        state.wait_for(|state| !state.frozen).await?;
        buffer.reserve(64 * 1024);
        if from.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
        let arrives = Instant::now() + state.borrow().length;
        under_way.send((arrives, buffer.split().freeze())).await?;
    }
}

async fn give(
    mut under_way: mpsc::Receiver<(Instant, Bytes)>,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<State>,
) -> Result<()> {
    while let Some((arrives, bytes)) = under_way.recv().await {
        sleep_until(arrives).await;
        state.wait_for(|state| !state.frozen).await?;
        to.write_all(&bytes).await?;
    }
    to.shutdown().await?;
    Ok(())
}
