//! Looks names up without keeping anybody waiting for longer than he can: the system's own call has no time limit.

use std::{
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

type Found = io::Result<Vec<SocketAddr>>;

/// For one name: at most one look-up is under way.
#[derive(Debug, Default)]
pub(super) struct Resolver {
    under_way: Option<Receiver<Found>>,
    /// What was found before: good enough where nothing is found now.
    known: Vec<SocketAddr>,
}

impl Resolver {
    /// The addresses of a host. A look-up that takes longer than `wait` goes on, and its result is had the next time.
    pub(super) fn resolve(&mut self, host: &str, port: u16, wait: Duration) -> Found {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let host = host.to_owned();
        self.look_up(wait, move || Ok((host.as_str(), port).to_socket_addrs()?.collect()))
    }

    fn look_up(
        &mut self,
        wait: Duration,
        system: impl FnOnce() -> Found + Send + 'static,
    ) -> Found {
        let receiver = match self.under_way.take() {
            Some(receiver) => receiver,
            None => {
                let (sender, receiver) = channel();
                let ask = move || {
                    // Nobody may be waiting any more.
                    let _is_heard = sender.send(system());
                };
                thread::Builder::new().name("daisy names".to_owned()).spawn(ask)?;
                receiver
            }
        };
        let found = match receiver.recv_timeout(wait) {
            Ok(found) => found,
            Err(RecvTimeoutError::Timeout) => {
                self.under_way = Some(receiver);
                Err(io::ErrorKind::TimedOut.into())
            }
            Err(RecvTimeoutError::Disconnected) => Err(io::ErrorKind::Other.into()),
        };
        match found {
            Ok(found) => {
                self.known.clone_from(&found);
                Ok(found)
            }
            Err(error) if self.known.is_empty() => Err(error),
            Err(_) => Ok(self.known.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    const SOON: Duration = Duration::from_millis(5);
    const LONG: Duration = Duration::from_secs(20);

    fn home(port: u16) -> Vec<SocketAddr> {
        vec![SocketAddr::from(([127, 0, 0, 1], port))]
    }

    #[test]
    fn an_address_needs_no_look_up_and_a_name_does() {
        let mut resolver = Resolver::default();
        assert_eq!(resolver.resolve("127.0.0.1", 5, Duration::ZERO).unwrap(), home(5));
        assert!(resolver.under_way.is_none());
        let found = resolver.resolve("localhost", 5, LONG).unwrap();
        assert!(!found.is_empty() && found.iter().all(|one| one.ip().is_loopback()));
    }

    #[test]
    fn a_slow_look_up_keeps_nobody_waiting_and_is_not_made_twice() {
        let mut resolver = Resolver::default();
        let (release, gate) = sync_channel(0);
        let slow = move || {
            gate.recv().unwrap();
            Ok(home(1))
        };
        let late = resolver.look_up(SOON, slow).unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        let never = || panic!("one look-up is under way");
        assert!(resolver.look_up(SOON, never).is_err());
        release.send(()).unwrap();
        assert_eq!(resolver.look_up(LONG, never).unwrap(), home(1));
    }

    #[test]
    fn what_was_found_before_serves_while_names_cannot_be_looked_up() {
        let mut resolver = Resolver::default();
        assert_eq!(resolver.look_up(LONG, || Ok(home(1))).unwrap(), home(1));
        let gone = || Err(io::ErrorKind::NotFound.into());
        assert_eq!(resolver.look_up(LONG, gone).unwrap(), home(1));
        assert_eq!(resolver.look_up(LONG, || Ok(home(2))).unwrap(), home(2));
    }
}
