//! How a worker finds its server: one line of text, handed over in the environment.

use std::{
    env, fmt, fs,
    path::{Path, PathBuf},
    str::FromStr,
};

use daisy_net::{channel::Security, driver::Address, wire::TASK_LIMIT};

use crate::TaskBuilder;

/// Every task that can be made can be joined.
const _: () = assert!(TaskBuilder::MAX_NAME_BYTES == TASK_LIMIT);

/// Where the server is, by which key it knows its workers, and what this worker is.
///
/// It travels as text in the environment variable `DAISY_CONTEXT`, or in a file that only its owner
/// can read. Whoever has it can take part in the run: treat it like a password.
///
/// ```
/// use daisy::Context;
///
/// let text = "address=127.0.0.1%3A4711:task=a%20%3A%20b:key=none";
/// let context: Context = text.parse()?;
/// assert_eq!(context.task(), "a : b");
/// assert_eq!(context.to_string(), text);
/// assert!("task=x:key=none".parse::<Context>().is_err()); // no address
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Context {
    pub(crate) addresses: Vec<Address>,
    pub(crate) task: String,
    pub(crate) worker: Option<u64>,
    pub(crate) security: Security,
    /// For how long a server that is gone may come back; None where nothing is said of it.
    pub(crate) reconnect_ms: Option<u64>,
    /// It is for one process, the leader of a group of its own, and for nothing that this starts.
    pub(crate) is_for_leader: bool,
}

/// Why a text is no context.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContextError {
    /// The environment variable is not set.
    NotSet,
    /// The file cannot be read.
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// The file does not have the task, or it has several and none was named.
    Tasks {
        /// Those that it has.
        known: Vec<String>,
    },
    /// A part is missing.
    Missing {
        /// Its name.
        field: &'static str,
    },
    /// A part is not what it should be.
    Wrong {
        /// The part as it came.
        part: String,
    },
}

impl Context {
    /// The environment variable.
    pub const VARIABLE: &'static str = "DAISY_CONTEXT";

    /// The context in the environment of this process.
    ///
    /// # Errors
    /// [`ContextError`]; [`ContextError::NotSet`] where this process was not started as a worker.
    pub fn from_env() -> Result<Self, ContextError> {
        env::var(Self::VARIABLE).map_err(|_| ContextError::NotSet)?.parse()
    }

    /// The context of a task in a file that a run wrote ([`RunOptions::connection_file`]); without a name, that of its
    /// only task.
    ///
    /// [`RunOptions::connection_file`]: crate::RunOptions::connection_file
    ///
    /// # Errors
    /// [`ContextError`]; [`ContextError::Tasks`] if the file has another task, or several and none is named.
    pub fn from_file(path: impl AsRef<Path>, task: Option<&str>) -> Result<Self, ContextError> {
        let path = path.as_ref();
        let text = fs::read_to_string(path).map_err(|error| ContextError::File {
            path: path.to_path_buf(),
            why: error.to_string(),
        })?;
        let contexts: Vec<Self> = text.lines().map(str::parse).collect::<Result<_, _>>()?;
        let known = contexts.iter().map(|context| context.task.clone()).collect();
        let mut meant = contexts.into_iter().filter(|one| task.is_none_or(|task| one.task == task));
        match (meant.next(), meant.next()) {
            (Some(only), None) => Ok(only),
            _ => Err(ContextError::Tasks { known }),
        }
    }

    /// The name of the task to work for.
    #[must_use]
    pub fn task(&self) -> &str {
        &self.task
    }

    /// The worker's number, if the run started it.
    #[must_use]
    pub const fn worker(&self) -> Option<u64> {
        self.worker
    }

    /// Where the server is, in the order to be tried.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.addresses.iter().map(ToString::to_string).collect()
    }

    /// The same for another task, and for a worker that nobody started.
    #[must_use]
    pub fn for_task(&self, task: impl Into<String>) -> Self {
        Self { task: task.into(), worker: None, ..self.clone() }
    }
}

impl fmt::Display for Context {
    /// The text for [`Context::VARIABLE`]; it contains the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for address in &self.addresses {
            write!(f, "address={}:", escaped(&address.to_string()))?;
        }
        write!(f, "task={}:", escaped(&self.task))?;
        if let Some(worker) = self.worker {
            write!(f, "worker={worker}:")?;
        }
        if let Some(millis) = self.reconnect_ms {
            write!(f, "reconnect={millis}:")?;
        }
        if self.is_for_leader {
            f.write_str("leader=1:")?;
        }
        match &self.security {
            Security::Clear => f.write_str("key=none"),
            Security::Key(key) => write!(f, "key={}", hex(key)),
        }
    }
}

impl FromStr for Context {
    type Err = ContextError;

    fn from_str(text: &str) -> Result<Self, ContextError> {
        let (mut addresses, mut task, mut worker, mut security) = (Vec::new(), None, None, None);
        let (mut reconnect_ms, mut is_for_leader) = (None, false);
        for part in text.trim().split(':').filter(|part| !part.is_empty()) {
            // The part of a key is not repeated in an error.
            let shown = if part.starts_with("key=") { "key=..." } else { part };
            let wrong = || ContextError::Wrong { part: shown.to_owned() };
            let (name, value) = part.split_once('=').ok_or_else(wrong)?;
            let value = unescaped(value).ok_or_else(wrong)?;
            match name {
                "address" => addresses.push(value.parse().map_err(|_| wrong())?),
                "task" => task = Some(value),
                "worker" => worker = Some(value.parse().map_err(|_| wrong())?),
                "leader" => is_for_leader = value == "1",
                "reconnect" => reconnect_ms = Some(value.parse().map_err(|_| wrong())?),
                "key" => security = Some(security_of(&value).ok_or_else(wrong)?),
                // Later versions may say more.
                _ => {}
            }
        }
        if addresses.is_empty() {
            return Err(ContextError::Missing { field: "address" });
        }
        let task = task.ok_or(ContextError::Missing { field: "task" })?;
        let security = security.ok_or(ContextError::Missing { field: "key" })?;
        Ok(Self { addresses, task, worker, security, reconnect_ms, is_for_leader })
    }
}

fn security_of(text: &str) -> Option<Security> {
    if text == "none" {
        return Some(Security::Clear);
    }
    unhex(text).map(Security::Key)
}

/// 32 bytes as 64 hexadecimal digits.
pub(crate) fn hex(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of [`hex`].
pub(crate) fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// Everything but letters, digits and `-._/[]` as `%` and two digits for each byte.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._/[]".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn unescaped(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
        out.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(out).ok()
}

impl fmt::Display for ContextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSet => write!(
                f,
                "{} is not set; start this program as a worker of a run, or pass a context",
                Context::VARIABLE
            ),
            Self::File { path, why } => write!(f, "{}: {why}", path.display()),
            Self::Tasks { known } => {
                write!(f, "the file has contexts of the tasks {known:?}; name one of these")
            }
            Self::Missing { field } => {
                write!(f, "the context has no {field}; pass on the whole text that the run gave")
            }
            Self::Wrong { part } => {
                write!(
                    f,
                    "'{part}' in the context is wrong; pass on the whole text that the run gave"
                )
            }
        }
    }
}

impl std::error::Error for ContextError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_survives() {
        let address: Address = "[::1]:80".parse().unwrap();
        let socket: Address = "unix:/tmp/a b:c=%".parse().unwrap();
        for task in ["plain", "a:b=c%d", "größe 名前 \n\t", "%25", "="] {
            let context = Context {
                addresses: vec![address.clone(), socket.clone()],
                task: task.to_owned(),
                worker: Some(1 << 41),
                security: Security::Key([0xA7; 32]),
                reconnect_ms: Some(0),
                is_for_leader: true,
            };
            let text = context.to_string();
            assert!(text.is_ascii() && !text.contains(char::is_whitespace));
            let back: Context = text.parse().unwrap();
            assert_eq!(back.to_string(), text);
            assert_eq!((back.task(), back.worker()), (task, Some(1 << 41)));
            assert_eq!(back.addresses(), ["[::1]:80", "unix:/tmp/a b:c=%"]);
        }
    }

    #[test]
    fn a_file_has_a_context_for_each_task() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let one: Context = "address=h%3A1:task=a%3Ab:key=none".parse().unwrap();
        let two = one.for_task("größe\n");
        fs::write(&path, format!("{one}\n{two}\n")).unwrap();
        let task = |name| Context::from_file(&path, name).map(|context| context.task().to_owned());
        assert_eq!(task(Some("größe\n")), Ok("größe\n".to_owned()));
        assert_eq!(task(Some("a:b")), Ok("a:b".to_owned()));
        let known = vec!["a:b".to_owned(), "größe\n".to_owned()];
        assert_eq!(task(None), Err(ContextError::Tasks { known: known.clone() }));
        assert_eq!(task(Some("c")), Err(ContextError::Tasks { known }));
        fs::write(&path, format!("{one}\n")).unwrap();
        assert_eq!(task(None), Ok("a:b".to_owned()));
        fs::remove_file(&path).unwrap();
        assert!(matches!(task(None), Err(ContextError::File { .. })));
    }

    #[test]
    fn errors_never_show_the_key() {
        let error = "address=h%3A1:task=t:key=0123456789".parse::<Context>().unwrap_err();
        assert!(!error.to_string().contains("0123"));
        let context: Context = "address=h%3A1:task=t:key=none".parse().unwrap();
        let context = Context { security: Security::Key([0x5A; 32]), ..context };
        assert!(!format!("{context:?}").contains("90"));
    }
}
