//! Examples that are servers: started for a test, and killed at its end.

use std::env;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A server that is killed when it is dropped, as by `kill -9`.
pub(crate) struct Server {
    pub(crate) process: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts an example at a port that is free, with what `configure` adds to its command.
    pub(crate) fn start(example: &str, configure: impl Fn(&mut Command)) -> Self {
        // One that is free now may be taken by the time the server wants it: then another one.
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        (0..20).find_map(|_| Server::start_at(free(), example, &configure)).expect("a port is free")
    }

    /// `None` if the server does not say that it listens there.
    pub(crate) fn start_at(address: SocketAddr, example: &str, configure: impl Fn(&mut Command)) -> Option<Self> {
        let this = env::current_exe().unwrap();
        let profile = this.parent().and_then(Path::parent).expect("tests are in target/<profile>/deps");
        let program = profile.join("examples").join(example).with_extension(env::consts::EXE_EXTENSION);
        assert!(program.exists(), "{} is missing: run cargo build --example {example}", program.display());
        let mut command = Command::new(&program);
        configure(&mut command);
        let process = command.args(["--listen", &address.to_string()]).stdout(Stdio::piped()).spawn().unwrap();
        let mut server = Server { process, address };
        let mut line = String::new();
        BufReader::new(server.process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        line.starts_with(&format!("listening on http://{address}")).then_some(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
