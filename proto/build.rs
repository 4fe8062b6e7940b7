//! Generates the Rust side of `mqttvideo.v1`; the compiler is a crate, so no `protoc` is needed on the machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=mqttvideo");
    let descriptors = protox::compile(["mqttvideo/v1/transcoder.proto"], ["."])?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
