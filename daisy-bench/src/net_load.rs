//! Many workers in one thread: sessions without a process each, behind one poll.

use std::{
    io,
    os::fd::AsFd,
    time::{Duration, Instant},
};

use daisy::Context;
use daisy_net::{
    channel::Security,
    driver::{Address, Stream},
    session::{ClientConfig, ClientSession},
    wire::Verdict,
};
use daisy_sched::Moment;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::Error;

struct Member {
    session: ClientSession,
    stream: Stream,
    out: Vec<u8>,
    is_done: bool,
}

/// Workers, and what they wait at.
struct Crew {
    start: Instant,
    context: Context,
    epoll: Epoll,
    members: Vec<Member>,
    buffer: Vec<u8>,
}

/// Works with so many connections until each has nothing more to expect.
pub(crate) fn run(context: &Context, connections: usize) -> Result<(), Error> {
    let mut crew = Crew::new(context, connections)?;
    (0..connections).try_for_each(|_| crew.join())?;
    let all_there = Instant::now();
    crew.work()?;
    println!("elapsed {}", all_there.elapsed().as_nanos());
    Ok(())
}

/// Connects once and then with all others, says so each time and waits for a line; then works.
pub(crate) fn sit(context: &Context, connections: usize) -> Result<(), Error> {
    let mut crew = Crew::new(context, connections)?;
    for more in [1, connections.saturating_sub(1)] {
        (0..more).try_for_each(|_| crew.join())?;
        println!("there");
        io::stdin().read_line(&mut String::new())?;
    }
    crew.work()
}

impl Crew {
    fn new(context: &Context, connections: usize) -> Result<Self, Error> {
        daisy_net::driver::raise_file_limit(connections as u64 + 64)?;
        let epoll = Epoll::new(EpollCreateFlags::empty())?;
        let (start, context) = (Instant::now(), context.clone());
        Ok(Self { start, context, epoll, members: Vec::new(), buffer: vec![0; 65_536] })
    }

    fn now(&self) -> Moment {
        Moment::from_micros(self.start.elapsed().as_micros() as u64)
    }

    /// Connects one more.
    fn join(&mut self) -> Result<(), Error> {
        let address: Address = self.context.addresses().first().ok_or("no address")?.parse()?;
        let config = ClientConfig {
            task: self.context.task().to_owned(),
            worker: None,
            security: security_of(&self.context.to_string())?,
            heartbeat_ms: 0,
            pid: 0,
            host: String::new(),
        };
        let mut session = ClientSession::new(config, self.now());
        let stream = Stream::connect(&address, Duration::from_secs(10))?;
        let mut randomness = [0; 32];
        getrandom::fill(&mut randomness).map_err(|error| error.to_string())?;
        session.connect(self.now(), stream.own_end(), randomness)?;
        let place = self.members.len() as u64;
        self.epoll.add(stream.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, place))?;
        let mut member = Member { session, stream, out: Vec::new(), is_done: false };
        member.send()?;
        member.settle_in(self.now(), &mut self.buffer)?;
        self.members.push(member);
        Ok(())
    }

    /// Asks for blocks on all connections until each has nothing more to expect.
    fn work(&mut self) -> Result<(), Error> {
        for member in &mut self.members {
            member.session.want(None);
            member.send()?;
        }
        let mut left = self.members.len();
        let mut events = vec![EpollEvent::empty(); 1_024];
        while left > 0 {
            let count = self.epoll.wait(&mut events, EpollTimeout::from(1_000_u16))?;
            for event in events.iter().take(count) {
                let now = self.now();
                let Some(member) = self.members.get_mut(event.data() as usize) else { continue };
                if !member.is_done && member.turn(now, &mut self.buffer)? {
                    member.is_done = true;
                    self.epoll.delete(member.stream.as_fd())?;
                    left -= 1;
                }
            }
        }
        Ok(())
    }
}

impl Member {
    /// Waits for the welcome.
    fn settle_in(&mut self, now: Moment, buffer: &mut [u8]) -> Result<(), Error> {
        while !self.session.is_online() {
            self.stream.wait_readable(Some(Duration::from_secs(10)))?;
            if let Some(count) = self.stream.try_read(buffer)? {
                self.session.receive(now, buffer.get(..count).unwrap_or_default())?;
            }
            while self.session.poll_event().is_some() {}
            self.send()?;
        }
        Ok(())
    }

    /// Takes in what came and does what was asked; true once there is nothing more to do.
    fn turn(&mut self, now: Moment, buffer: &mut [u8]) -> Result<bool, Error> {
        let count = match self.stream.try_read(buffer) {
            Ok(Some(0)) | Err(_) => return Ok(true),
            Ok(Some(count)) => count,
            Ok(None) => return Ok(false),
        };
        self.session.receive(now, buffer.get(..count).unwrap_or_default())?;
        while self.session.poll_event().is_some() {}
        while let Some(grant) = self.session.begin_block() {
            self.session.settle(now, grant.lease, Verdict::Completed, 0);
        }
        if self.session.is_dismissed() {
            self.session.leave();
            self.send()?;
            return Ok(true);
        }
        self.session.want(None);
        self.send()?;
        Ok(false)
    }

    fn send(&mut self) -> io::Result<()> {
        self.session.flush(true, &mut self.out).map_err(io::Error::other)?;
        while !self.out.is_empty() {
            match self.stream.try_write(&self.out)? {
                Some(written) => drop(self.out.drain(..written)),
                None => drop(self.stream.wait_writable(Some(Duration::from_secs(1)))?),
            }
        }
        Ok(())
    }
}

/// The key in the text of a context.
fn security_of(text: &str) -> Result<Security, Error> {
    let key = text.rsplit("key=").next().ok_or("no key")?;
    if key == "none" {
        return Ok(Security::Clear);
    }
    let mut bytes = [0; 32];
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(key.get(2 * place..2 * place + 2).ok_or("a short key")?, 16)?;
    }
    Ok(Security::Key(bytes))
}
