//! A run that workers outside this process can join.

use std::{
    io,
    net::{IpAddr, TcpStream},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use daisy_net::{
    NetError,
    channel::Security,
    driver::{Address, FileLimit, Lines, raise_file_limit},
    switchboard::{Secrets, Switchboard, SwitchboardConfig},
};

use super::{
    Children, Network, Outside, RunFile, key_file::KeyFile, network::MANY_LINES, run_file::Known,
};
use crate::{
    Context, Error, Notice, RunOptions, RunReport, Task,
    journal::JournalFiles,
    run::{Hooks, Pipeline, execute},
    workers::{randomness, worker},
};

/// Where worker processes leave what they print, unless they are told otherwise.
const LOGS: &str = "daisy_logs";
/// Where runs listen unless they are told otherwise: this machine only, a port of the kernel's choice.
const LOOPBACK: &str = "127.0.0.1:0";
/// For how long this machine's name is tried.
const LEADS_WITHIN: Duration = Duration::from_secs(2);
/// How often an address that is taken is tried again.
const BIND_EVERY: Duration = Duration::from_millis(100);

/// The server of a run: it listens from the moment it is made, so that workers can be told where it is
/// before the run begins.
///
/// [`RunOptions::run`] makes one by itself where a task has workers outside this process; make it
/// yourself where you start the workers (a task with `num_workers(0)`).
///
/// ```
/// use std::thread;
/// use daisy::{Client, Roi, RunOptions, Server, Task};
///
/// let block = Roi::new([0], [10])?;
/// let task = Task::builder("double", Roi::new([0], [100])?, block.clone(), block)
///     .num_workers(0) // all of them come by themselves
///     .build()?;
/// let server = Server::bind(RunOptions::new())?;
/// let context = server.context("double"); // pass its text on, as a secret
/// let worker = thread::spawn(move || {
///     let client = Client::with_context(&context).unwrap();
///     while let Some(block) = client.acquire_block().unwrap() {
///         block.complete();
///     }
/// });
/// let report = server.run(&[task])?;
/// assert!(report.is_success());
/// worker.join().unwrap();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Server {
    options: RunOptions,
    network: Network,
    context: Context,
    secrets: Secrets,
    hooks: Hooks,
    /// Of the journal, locked.
    files: Option<JournalFiles>,
}

impl Server {
    /// Listens where `options` say.
    ///
    /// With a journal, key and addresses are those of the run's earlier starts, so that workers that
    /// outlived it find it again. An address that another program has taken meanwhile, and that the options
    /// do not insist on, is waited for if the last start was cut off, for as long as its workers look for it
    /// ([`reconnect_for`](RunOptions::reconnect_for)); then another one is taken. Signals and
    /// [`StopHandle`](crate::StopHandle)s are heard from here on.
    ///
    /// # Errors
    /// [`Error`]: an address that cannot be had; a journal that another run uses; encryption switched
    /// off on an address that other machines can reach.
    pub fn bind(mut options: RunOptions) -> Result<Self, Error> {
        options.check()?;
        let mut files = super::lock_journal(&options)?;
        let hooks = Hooks::new(&mut options)?;
        let listen = addresses(&options.outside.listen)?;
        let known = files.as_ref().and_then(|files| files.run_file.known.clone());
        let known = match known.filter(|known| is_the_same(known, &options, &listen)) {
            Some(known) => known,
            None => new_run(&options, &listen)?,
        };
        if matches!(known.security, Security::Clear)
            && let Some(open) = known.listen.iter().find(|address| !is_on_this_machine(address))
        {
            return Err(Error::ClearText { address: open.to_string() });
        }
        let raised = raise_file_limit(MANY_LINES);
        let max_strangers = max_strangers(&raised);
        let limit = raised.err().map(|error| error.to_string());
        let run_file = files.as_mut().map(|files| &mut files.run_file);
        let (lines, is_elsewhere) = bind_again(&known, &options, &hooks, run_file)?;
        let bound = lines.local_addresses();
        let told = &options.outside.advertise;
        let advertise = match (told.is_empty(), known.advertise.is_empty() || is_elsewhere) {
            (true, true) => named(&bound)?,
            (true, false) => known.advertise.clone(),
            (false, _) => with_ports(addresses(told)?, &bound),
        };
        let known = Known { listen: bound, advertise: advertise.clone(), ..known };
        if let Some(files) = &mut files {
            files.run_file.name(known.clone())?;
        }
        let (task, worker, security) = (String::new(), None, known.security);
        let reconnect_ms = Some(reconnect_ms(&options));
        let addresses = advertise;
        let is_for_leader = false;
        let context = Context { addresses, task, worker, security, reconnect_ms, is_for_leader };
        let mut network = Network::new(lines);
        network.limit = limit;
        network.max_strangers = max_strangers;
        let secrets = Secrets::new(known.secret);
        Ok(Self { options, network, context, secrets, hooks, files })
    }

    /// By which workers of a task find this run: to be handed over as a secret.
    #[must_use]
    pub fn context(&self, task: &str) -> Context {
        self.context.for_task(task)
    }

    /// Where the run is reached.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.network.lines().local_addresses().iter().map(ToString::to_string).collect()
    }

    /// Runs the tasks and everything upstream of them, as [`RunOptions::run`].
    ///
    /// # Errors
    /// [`Error`], as there.
    pub fn run(self, tasks: &[Task]) -> Result<RunReport, Error> {
        let Self { options, network, context, secrets, hooks, files } = self;
        let pipeline = Arc::new(Pipeline::new(tasks));
        let key_file = options.outside.connection_file.as_deref();
        if let (Some(path), Some(files)) = (key_file, &files)
            && files.have(path)
        {
            let error = io::Error::other("this is the journal, or a file of it; name another one");
            return Err(Error::JournalFile { path: path.to_path_buf(), error });
        }
        let key_file =
            key_file.map(|path| write_contexts(path, &context, &pipeline)).transpose()?;
        let own = &options.outside;
        let reconnect_ms = reconnect_ms(&options);
        let config = SwitchboardConfig {
            security: context.security.clone(),
            secrets,
            heartbeat_ms: own.heartbeat_ms,
            silence_ms: own.silence_ms,
            reconnect_ms,
        };
        let waker = network.lines().waker();
        let logs = own.logs.clone().unwrap_or_else(|| PathBuf::from(LOGS));
        let children = Children::new(context, logs);
        let board = Switchboard::new(config).with_max_strangers(network.max_strangers);
        let outside = Outside::new(board, children, waker);
        let result = execute(pipeline, options, hooks, Some((network, outside)), files);
        drop(key_file);
        result
    }
}

/// Writes the context of each task for those who start workers by hand.
fn write_contexts(path: &Path, context: &Context, pipeline: &Pipeline) -> Result<KeyFile, Error> {
    let contexts = pipeline.tasks().map(|(_, task)| format!("{}\n", context.for_task(task.name())));
    let written = KeyFile::new(path, &contexts.collect::<String>());
    written.map_err(|error| Error::JournalFile { path: path.to_path_buf(), error })
}

/// Listens where a run listened before. If that cannot be had any more, and the options leave the choice,
/// it listens elsewhere, which is the second thing returned: at once after an orderly end, else after the
/// time in which workers that outlived the last start may still look for it.
fn bind_again(
    known: &Known,
    options: &RunOptions,
    hooks: &Hooks,
    run_file: Option<&mut RunFile>,
) -> Result<(Lines, bool), Error> {
    let error = match Lines::bind(&known.listen) {
        Ok(lines) => return Ok((lines, false)),
        Err(error) => error,
    };
    let fresh = or_loopback(&addresses(&options.outside.listen)?)?;
    let Some(run_file) = run_file.filter(|_| fresh != known.listen) else {
        return Err(Error::Network(error));
    };
    let why = error.to_string();
    if run_file.is_cut_off() {
        let wait = Duration::from_millis(options.outside.away_ms());
        hooks.notifier.tell(Notice::WaitsForAddress { why: why.clone(), wait });
        let end = Instant::now().checked_add(wait);
        loop {
            let left = end.map_or(BIND_EVERY, |end| end.saturating_duration_since(Instant::now()));
            // A run that is stopped lends nothing, and leaves its workers to the next one.
            if hooks.stopper.wait(left.min(BIND_EVERY)) {
                break;
            }
            if let Ok(lines) = Lines::bind(&known.listen) {
                return Ok((lines, false));
            }
            if left.is_zero() {
                run_file.has_waited = true;
                break;
            }
        }
    }
    let lines = Lines::bind(&fresh).map_err(Error::Network)?;
    let addresses = lines.local_addresses().iter().map(ToString::to_string).collect();
    hooks.notifier.tell(Notice::NewAddress { why, addresses });
    Ok((lines, true))
}

/// How many connections of nobody are kept: a quarter of the files that can be open, so that workers have the others.
fn max_strangers(raised: &Result<FileLimit, NetError>) -> usize {
    let files = match raised {
        Ok(limit) => limit.soft,
        Err(NetError::FileLimit { hard, .. }) => *hard,
        // The least that systems have by default.
        Err(_) => 256,
    };
    usize::try_from(files / 4).unwrap_or(usize::MAX)
}

/// For how long workers look for a server that is gone: only with a journal it can come back.
fn reconnect_ms(options: &RunOptions) -> u64 {
    if options.outside.journal.is_some() { options.outside.reconnect_ms } else { 0 }
}

/// A run that was never started before.
fn new_run(options: &RunOptions, listen: &[Address]) -> Result<Known, Error> {
    let random = || randomness().map_err(|error| refused("making a key", error));
    let secret = random()?;
    let security = if options.outside.encrypt { Security::Key(random()?) } else { Security::Clear };
    Ok(Known { security, secret, listen: or_loopback(listen)?, advertise: Vec::new() })
}

fn or_loopback(listen: &[Address]) -> Result<Vec<Address>, Error> {
    if listen.is_empty() { addresses(&[LOOPBACK.to_owned()]) } else { Ok(listen.to_vec()) }
}

/// Whether an earlier start of the run listened where this one is to.
fn is_the_same(known: &Known, options: &RunOptions, listen: &[Address]) -> bool {
    let is_encrypted = matches!(known.security, Security::Key(_));
    let is_covered = |(wanted, had): (&Address, &Address)| match (wanted, had) {
        (Address::Tcp { host, port: 0 }, Address::Tcp { host: known, .. }) => host == known,
        _ => wanted == had,
    };
    is_encrypted == options.outside.encrypt
        && (listen.is_empty()
            || (listen.len() == known.listen.len()
                && listen.iter().zip(&known.listen).all(is_covered)))
}

fn addresses(texts: &[String]) -> Result<Vec<Address>, Error> {
    texts.iter().map(|text| text.parse().map_err(Error::Network)).collect()
}

/// The system refuses something that a run needs.
pub(super) const fn refused(doing: &'static str, error: io::Error) -> Error {
    Error::Network(NetError::System { doing, error })
}

/// What workers are told to connect to where nobody said so: where the run listens, and where that is
/// every address of this machine, by its name.
fn named(bound: &[Address]) -> Result<Vec<Address>, Error> {
    let named = bound.iter().map(|address| match address {
        Address::Tcp { host, port } if is_every_address(host) => {
            let named = Address::Tcp { host: worker::host_name(), port: *port };
            match leads_here(&named) {
                Ok(()) => Ok(named),
                Err(error) => Err(Error::HostName { name: worker::host_name(), error }),
            }
        }
        address => Ok(address.clone()),
    });
    named.collect()
}

fn is_every_address(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified())
}

/// Whether a connection comes about there, where only this run listens.
fn leads_here(address: &Address) -> io::Result<()> {
    let mut result = Err(io::ErrorKind::AddrNotAvailable.into());
    for candidate in address.resolve()? {
        result = TcpStream::connect_timeout(&candidate, LEADS_WITHIN).map(|_| ());
        if result.is_ok() {
            break;
        }
    }
    result
}

/// An advertised address without a port has that of the listener at the same place.
fn with_ports(advertise: Vec<Address>, bound: &[Address]) -> Vec<Address> {
    let ports = bound.iter().map(Some).chain(std::iter::repeat(None));
    let with_port = |(address, bound): (Address, Option<&Address>)| match (address, bound) {
        (Address::Tcp { host, port: 0 }, Some(&Address::Tcp { port, .. })) => {
            Address::Tcp { host, port }
        }
        (address, _) => address,
    };
    advertise.into_iter().zip(ports).map(with_port).collect()
}

fn is_on_this_machine(address: &Address) -> bool {
    match address {
        Address::Unix(_) => true,
        Address::Tcp { .. } => address
            .resolve()
            .is_ok_and(|found| !found.is_empty() && found.iter().all(|one| one.ip().is_loopback())),
    }
}
