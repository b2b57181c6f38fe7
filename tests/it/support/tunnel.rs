//! An HTTP proxy on loopback that opens tunnels, as companies have it, and remembers where to.
//!
//! It runs on threads of its own, so that it serves a child process while a test waits for that.

use std::{
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

/// A running proxy. Its threads end with this process.
pub struct Tunnel {
    /// Where it listens.
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Tunnel {
    /// Starts one.
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<String>>>::default());
        let seen = Arc::clone(&asked);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let seen = Arc::clone(&seen);
                // A connection that breaks is its client's to notice.
                std::thread::spawn(move || drop(serve(client, &seen)));
            }
        });
        Self { address, asked }
    }

    /// The hosts that tunnels were asked for.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(client: TcpStream, asked: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let host = first.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).unwrap_or_default().to_owned();
    let mut header = String::new();
    while reader.read_line(&mut header)? > 2 {
        header.clear();
    }
    asked.lock().unwrap().push(host.clone());
    let server = TcpStream::connect(host)?;
    let mut to_client = client;
    to_client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (mut from_server, mut to_server) = (server.try_clone()?, server);
    std::thread::spawn(move || {
        drop(std::io::copy(&mut from_server, &mut to_client).map(|_| to_client.shutdown(std::net::Shutdown::Write)));
    });
    std::io::copy(&mut reader, &mut to_server)?;
    to_server.shutdown(std::net::Shutdown::Write)
}
