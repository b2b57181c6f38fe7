//! Code that several test modules use. It asserts nothing about Keyward: the tests do that, where a reader sees it.

pub mod control_plane;
pub mod double;
pub mod fixtures;
pub mod gate;
pub mod helm;
pub mod localstack;
pub mod memory;
pub mod operator;
pub mod program;
pub mod proxy;
pub mod recorder;
pub mod scene;
pub mod storage;
pub mod tunnel;
pub mod vendor;

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

/// An address on loopback where nothing listens, and nothing will while the socket is kept: a port that is only free may be taken by another test.
pub fn nowhere() -> (tokio::net::TcpSocket, SocketAddr) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// Asks `probe` until it has an answer, and panics with `what` and its last complaint if `within` passes first.
///
/// This is how a test waits: on a condition, with a bound that a busy machine does not reach.
pub async fn eventually<T, E: std::fmt::Display>(what: &str, within: Duration, mut probe: impl AsyncFnMut() -> Result<T, E>) -> T {
    let started = Instant::now();
    loop {
        match probe().await {
            Ok(answer) => return answer,
            Err(complaint) if started.elapsed() > within => panic!("{what}: not within {within:?}; last: {complaint}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
