//! The gatekeeper's process. All of it is in the library.

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    gatekeeper::run().await
}
